/** What the planner makes of the tree views on a database that was never analysed: how often, and how much, is read. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const RUNS = 1000;
const DEPTH = 3000;

/** A node of `explain (analyze, format json)`. */
interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Alias?: string;
  readonly "CTE Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly Plans?: readonly Plan[];
}

let auditor: pg.Client | undefined;
let connections: Record<"the superuser" | "an auditor", pg.ClientBase>;
const WHO = ["the superuser", "an auditor"] as const;

/**
 * Nodes `name(0) … name(count - 1)`, each with the pool and the rows that its opening would have written: written
 * directly, because calls would take minutes. `parent` answers SQL for the node above, null for a root.
 */
async function writeNodes(tenantId: string, count: number, name: (n: string) => string, parent: string): Promise<void> {
  const each = `from (select n, ${name("n")} as id, ${parent} as parent from generate_series(0, ${count - 1}) n) s`;
  const run = `case when s.parent is null then s.id else ${name("0")} end`;
  const statements = [
    `insert into ledger_private.nodes (tenant_id, node_id, parent_node_id, run_id, driver, label, spawned_at)
      select $1, s.id, s.parent, ${run}, true, s.id, now() ${each}`,
    `insert into ledger_private.pools (tenant_id, pool_id, parent_pool_id, run_id, depth, opened_at)
      select $1, s.id, s.parent, ${run}, case when s.parent is null then 0 else s.n end, now() ${each}`,
    `insert into ledger_private.channels (tenant_id, pool_id, channel)
      select $1, s.id, c ${each} cross join unnest(array['tokens', 'iterations', 'usd']) c`,
    `insert into ledger_private.runs (tenant_id, run_id, label, opened_at)
      select $1, s.id, s.id, now() ${each} where s.parent is null`,
    `insert into ledger_private.journal (tenant_id, pool_id, seq, recorded_at, effective_at, kind, operation_id, run_id, node_id)
      select $1, s.id, 1, now(), now(), 'opened', 'open-' || s.id, ${run}, s.id ${each}`,
    `insert into ledger_private.journal (tenant_id, pool_id, seq, recorded_at, effective_at, kind, operation_id, run_id, node_id)
      select $1, s.parent, 2, now(), now(), 'spawned', 'open-' || s.id, ${run}, s.id ${each} where s.parent is not null`,
    `insert into ledger_private.pool_heads (tenant_id, pool_id, seq, children, open_holds)
      select $1, p.pool_id, 1 + c.children, c.children, c.children
      from ledger_private.pools p
      cross join lateral (
        select count(*)::int as children from ledger_private.nodes n where n.tenant_id = p.tenant_id and n.parent_node_id = p.pool_id
      ) c
      where p.tenant_id = $1`,
  ];
  await ledger.client.query("begin");
  // Nodes and pools refer to each other; the functions write them level by level.
  await ledger.client.query("set local session_replication_role = replica");
  for (const statement of statements) await ledger.client.query(statement, [tenantId]);
  await ledger.client.query("commit");
}

async function openTenant(tenantId: string): Promise<void> {
  await ledger.client.query("select ledger.create_tenant($1)", [tenantId]);
}

beforeAll(async () => {
  const { client, database } = ledger;
  for (const table of ["nodes", "pools", "pool_heads", "channels", "runs", "journal"]) {
    await client.query(`alter table ledger_private.${table} set (autovacuum_enabled = false)`);
  }
  await openTenant("wide");
  await writeNodes("wide", RUNS, (n) => `'run-' || ${n}`, "null::text");
  await openTenant("deep");
  await writeNodes("deep", DEPTH, (n) => `'node-' || ${n}`, "case when n > 0 then 'node-' || n - 1 end");
  auditor = await connect(await createLoginRole(database, { memberOf: "ledger_auditor", tenantId: "*" }));
  connections = { "the superuser": client, "an auditor": auditor };
});

afterAll(async () => {
  await auditor?.end();
});

/** Runs a query and answers every node of its plan. */
async function planOf(client: pg.ClientBase, text: string, parameters: unknown[]): Promise<Plan[]> {
  const { rows } = await client.query(`explain (analyze, format json, timing off) ${text}`, parameters);
  const all: Plan[] = [];
  const visit = (plan: Plan): void => {
    all.push(plan);
    for (const below of plan.Plans ?? []) visit(below);
  };
  visit(rows[0]["QUERY PLAN"][0].Plan);
  return all;
}

/** How many rows the scans of a table looked at, in all their loops. */
function rowsRead(plans: readonly Plan[], table: string): number {
  const scans = plans.filter((plan) => plan["Relation Name"] === table);
  expect(scans.length, `the plan reads ${table}`).toBeGreaterThan(0);
  const looked = (plan: Plan): number =>
    plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Index Recheck"] ?? 0);
  return scans.reduce((sum, plan) => sum + looked(plan) * plan["Actual Loops"], 0);
}

describe("a database that was never analysed", () => {
  it("is one", async () => {
    const { rows } = await ledger.client.query(
      "select from pg_stats where schemaname = 'ledger_private' and tablename in ('nodes', 'runs', 'pools', 'journal')",
    );
    expect(rows).toEqual([]);
  });

  describe.each(["trajectory", "spent_breakdown", "calls_in_doubt", "spend_gaps"])("ledger.%s", (view) => {
    it.each(WHO)("reads one run of %s's many where it is asked for one", async (who) => {
      const text = `select * from ledger.${view} where tenant_id = $1 and run_id = $2`;
      const plans = await planOf(connections[who], text, ["wide", "run-500"]);
      const runs = plans.filter((plan) => plan["Relation Name"] === "runs");
      expect(runs.map((plan) => plan["Actual Rows"] * plan["Actual Loops"])).toEqual([1]);
      const recursions = plans.filter((plan) => plan["Node Type"] === "Recursive Union");
      expect(recursions.length).toBeGreaterThan(0);
      for (const recursion of recursions) expect(recursion["Actual Loops"]).toBe(1);
      expect(rowsRead(plans, view === "trajectory" ? "nodes" : "pools")).toBeLessThanOrEqual(10);
      expect(rowsRead(plans, "journal")).toBeLessThanOrEqual(10);
    });

    it.each(WHO)("reads each node of a deep chain once for %s, not once per level", async (who) => {
      const text = `select count(*) from ledger.${view} where tenant_id = $1 and run_id = $2`;
      const plans = await planOf(connections[who], text, ["deep", "node-0"]);
      expect(rowsRead(plans, view === "trajectory" ? "nodes" : "pools")).toBeLessThanOrEqual(2 * DEPTH);
      expect(rowsRead(plans, "journal")).toBeLessThanOrEqual(4 * DEPTH);
    });
  });

  it.each(WHO)("goes through what was gathered of a tree once for %s, not once per node", async (who) => {
    const text = "select * from ledger.trajectory where tenant_id = $1 and run_id = $2";
    const plans = await planOf(connections[who], text, ["deep", "node-0"]);
    // What one pool's nodes spent is gathered, and gone through, pool by pool.
    const gathered = plans.filter((plan) => plan["Node Type"] === "CTE Scan" && plan["CTE Name"] !== "by_node");
    expect(gathered.length).toBeGreaterThan(0);
    for (const scan of gathered) expect([scan["CTE Name"], scan["Actual Loops"]]).toEqual([scan["CTE Name"], 1]);
  });

  it("leaves paths alone where none is asked for", async () => {
    const text = "select node_id, rolled_up_usd from ledger.trajectory where tenant_id = $1 and run_id = $2";
    const plans = await planOf(ledger.client, text, ["deep", "node-0"]);
    const walked = plans.filter((plan) => plan["Node Type"] === "Recursive Union" && plan["Actual Loops"] > 0);
    expect(walked).toHaveLength(1);
  });

  it("shows the whole chain", async () => {
    const { rows } = await ledger.client.query(
      "select count(*)::int as nodes, max(depth) as deepest from ledger.trajectory where tenant_id = 'deep' and run_id = 'node-0'",
    );
    expect(rows).toEqual([{ nodes: DEPTH, deepest: DEPTH - 1 }]);
  });

  it("is healthy", async () => {
    await ledger.client.query("analyze");
    for (const tenantId of ["wide", "deep"]) {
      const { rows } = await ledger.client.query("select rule, pool_id from ledger.audit where tenant_id = $1", [
        tenantId,
      ]);
      expect(rows).toEqual([]);
    }
  });
});
