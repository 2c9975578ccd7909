/**
 * Gates beyond the vectors: against the model on random experiments, the list of nodes, who may ask, and that it stays linear on a
 * database that was never analysed.
 */
import { expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { ModelEngine } from "../../model/model-engine.js";
import { chance } from "../../setup/chance.js";
import { createLoginRole } from "../../setup/database.js";
import { mismatch } from "../../vectors/compare.js";
import { createSqlEngine } from "../../vectors/sql-engine.js";
import type { Operation, Row } from "../books.js";
import { meter, openPool, settle, spawn } from "../builders.js";
import { judge, runOf, spentRun } from "../experiments.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

/** An experiment of a few arms, in which most things that can go wrong now and then do. */
function randomExperiment(seed: number): Operation[] {
  const random = chance(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const operations: Operation[] = [openPool("month", { tokens: 1_000_000 })];
  const runs = 2 + Math.floor(random() * 8);
  for (let index = 0; index < runs; index++) {
    const id = `r${index}`;
    const task = pick([{}, { task: "t" }, { task: "u", replicate: 1 }]);
    const below = random() < 0.1 ? { parent_pool_id: "month" } : {};
    const unit = random() < 0.05 && !("parent_pool_id" in below) ? { token_charge: "uncached" } : {};
    operations.push(runOf(id, { arm: `arm${index % (1 + (seed % 3))}`, ...task }, { ...below, ...unit }));
    const dollars = random() < 0.06 ? { usd_known: false } : { usd: pick(["0.1", "0.1", "0.104", "0"]) };
    const tokens = { input_tokens: 100 + Math.floor(random() * 6), tokens_known: random() > 0.05 };
    operations.push(meter(id, { ...tokens, ...dollars, cache_read_tokens: 5, ms: 3 }));
    if (random() < 0.3) operations.push(spawn(id, `${id}:leaf`, {}));
    if (random() < 0.9) operations.push(settle(`${id}:leaf`, { iterations: 1, output_tokens: 2, usd: "0.001" }));
    if (random() < 0.12) operations.push(judge(id, true, { infra: true }));
    if (random() < 0.7) operations.push({ op: "close_pool", pool_id: id });
  }
  return operations.map((operation, index) => ({ operation_id: `${seed}/${index}`, ...operation }));
}

it("agrees with the model on random experiments, row by row", { timeout: 120_000 }, async () => {
  const verdicts = new Map<string, number>();
  for (let seed = 1; seed <= 30; seed++) {
    const engines = [await createSqlEngine(ledger.client, "submit"), new ModelEngine()];
    const told: unknown[] = [];
    for (const engine of engines) {
      for (const operation of randomExperiment(seed)) await engine.apply([operation], { atomic: false });
      const tolerance = seed % 4 === 0 ? "0" : "0.05";
      told.push(await engine.equalK("E", tolerance).catch(({ code }) => ({ raised: { code } })));
    }
    expect(mismatch(told[1], told[0]), `seed ${seed}`).toBeUndefined();
    const [{ all }] = told as [{ all?: { verdict: string; reason: string | null } }];
    const verdict = `${all?.verdict} ${all?.reason}`;
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
  }
  expect([...verdicts.keys()]).toEqual(
    expect.arrayContaining([
      "equal null",
      "unequal over-tolerance",
      "inconclusive unbalanced",
      "inconclusive open-hold",
    ]),
  );
});

it("lists a hundred nodes and counts all", async () => {
  const books = await ledger.open();
  const holds = Array.from({ length: 120 }, (_, index) => spawn("r", `n${String(index).padStart(3, "0")}`));
  await books.apply([runOf("r", { arm: "a" }), ...holds]);
  const { arms } = await books.row("select arms from ledger.equal_k($1, 'E') where channel = 'usd'");
  const [arm] = arms as { nodes: string[]; nodes_total: number; open_holds: number }[];
  expect(arm).toMatchObject({ nodes_total: 120, open_holds: 120 });
  expect(arm?.nodes).toEqual(holds.slice(0, 100).map(({ node_id }) => node_id));
});

it("checks who asks, then the tenant, then the tolerance, then the experiment", async () => {
  const books = await ledger.open();
  const url = await createLoginRole(ledger.database, { memberOf: "ledger_auditor", tenantId: books.tenantId });
  const auditor = await connect(url);
  const codeOf = (...parameters: unknown[]): Promise<unknown> =>
    auditor.query("select * from ledger.equal_k($1, 'E', $2)", parameters).then(
      () => undefined,
      ({ code }) => code,
    );
  expect(await codeOf("another", "7")).toBe("LG009");
  expect(await codeOf(books.tenantId, "7")).toBe("LG001");
  expect(await codeOf(books.tenantId, null)).toBe("LG001");
  expect(await codeOf(books.tenantId, "0.05")).toBe("LG010");
  await books.ok(...spentRun("r", { arm: "a" }, { input_tokens: 1 }));
  expect(await codeOf(books.tenantId, "0.05")).toBeUndefined();
  await auditor.end();
  await expect(ledger.client.query("select * from ledger.equal_k('nobody', 'E', 7)")).rejects.toMatchObject({
    code: "LG012",
  });
});

interface Plan {
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Join Filter"?: number;
  readonly Plans?: readonly Plan[];
}

/** Rows that a plan yielded or threw away, over all of its nodes. */
function rowsTouched(plan: Plan): number {
  const each = plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Join Filter"] ?? 0);
  return (plan.Plans ?? []).reduce((sum, below) => sum + rowsTouched(below), each * plan["Actual Loops"]);
}

it("touches four times as many rows for four times as many runs, on a database never analysed", async () => {
  const { rows: tables } = await ledger.client.query(
    "select oid::regclass::text as name from pg_class where relnamespace = 'ledger_private'::regnamespace and relkind = 'r'",
  );
  for (const { name } of tables) await ledger.client.query(`alter table ${name} set (autovacuum_enabled = false)`);
  const books = await ledger.open();
  const keep = async (from: number, to: number): Promise<void> => {
    for (let index = from; index < to; index++) {
      const place = { arm: index % 2 ? "a" : "b", task: `t${index >> 1}` };
      await books.apply([
        ...spentRun(`r${index}`, place, { input_tokens: 5, usd_known: false }),
        ...[spawn(`r${index}`, `r${index}:open`), meter(`r${index}`, { input_tokens: 1 })],
        judge(`r${index}`, true, { infra: index % 7 === 0 }),
      ]);
    }
  };
  // What the definer functions run, as statements whose plan can be seen.
  const texts = [
    "select * from ledger.run_costs where tenant_id = $1 and experiment = 'E'",
    "select * from ledger.arm_costs where tenant_id = $1 and experiment = 'E'",
  ];
  const touched = async (): Promise<number[]> =>
    Promise.all(
      texts.map(async (text) => {
        const plan = await ledger.client.query(`explain (analyze, timing off, format json) ${text}`, [books.tenantId]);
        return rowsTouched(plan.rows[0]["QUERY PLAN"][0].Plan);
      }),
    );
  await keep(0, 50);
  const few = await touched();
  await keep(50, 200);
  const many = await touched();
  expect(many.map((rows, index) => rows / (few[index] ?? 1)).filter((ratio) => ratio >= 5)).toEqual([]);
});

it("waits for a driver's call that was announced until it is metered; when the run has ended, it is unknown", async () => {
  const books = await ledger.open();
  const announced = (poolId: string, turn = 0) => ({ op: "dispatch", pool_id: poolId, meter_id: `${poolId}/${turn}` });
  const gate = (): Promise<Row> =>
    books.row("select verdict, reason, arms from ledger.equal_k($1, 'E') where channel = 'all'");
  const arms = ["a", "b"].flatMap((arm) => [runOf(arm, { arm }), announced(arm)]);
  await books.apply([...arms, meter("a", {}, { operation_id: "a/0" })]);
  expect(await gate()).toMatchObject({
    verdict: "inconclusive",
    reason: "open-hold",
    arms: [
      { arm: "a", open_holds: 0, nodes: [] },
      { arm: "b", open_holds: 1, nodes: ["b"] },
    ],
  });
  await books.apply([meter("b", {}, { operation_id: "b/0" }), announced("a", 1)]);
  expect(await gate()).toMatchObject({ verdict: "inconclusive", reason: "open-hold" });
  await books.apply([{ op: "close_pool", pool_id: "a" }]);
  expect(await gate()).toMatchObject({
    verdict: "inconclusive",
    reason: "unknown-usage",
    arms: [
      { arm: "a", open_holds: 0, nodes: ["a"] },
      { arm: "b", nodes: [] },
    ],
  });
  await books.apply([meter("a", {}, { operation_id: "a/1" }), meter("b", {}, { operation_id: "b/1" })]);
  expect(await gate()).toMatchObject({ verdict: "equal", reason: null });
});
