/** The children of a run that ended, whatever way they did, and where they are in the order of delivery. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books, Row } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const settlements = (books: Books, runId: string): Promise<Row[]> =>
  books.rows("select * from ledger.settlements where tenant_id = $1 and run_id = $2 order by pool_id, seq", runId);

const deliver = (poolId: string) => ({ op: "deliver", pool_id: poolId });

describe("ledger.settlements", () => {
  it("shows a row per ended leaf and driver, with what its terminal row booked", async () => {
    const books = await ledger.open();
    await books.ok(openPool("budget", { tokens: 900 }), openRun("run", { tokens: 500 }, { parent_pool_id: "budget" }));
    await books.ok(
      spawn("run", "leaf", { tokens: 50 }, { runtime: "node" }),
      spawnDriver("run", "driver", { tokens: 90 }),
    );
    await books.ok(spawn("driver", "below", { tokens: 20 }), spawn("run", "open", { tokens: 1 }));
    const leaf = settle(
      "leaf",
      { input_tokens: 9, output_tokens: 2, usd: "0.50" },
      { operation_id: "ends", verdict: { score: 1 }, out_ref: "r" },
    );
    await books.ok(
      leaf,
      meter("driver", { input_tokens: 5 }),
      settle("below", { input_tokens: 7 }, { outcome: "down", infra: true }),
    );
    await books.ok(
      deliver("run"),
      settleDriver("driver"),
      correct("ends", { input_tokens: 99, output_tokens: 2, usd: "0.50" }),
    );
    const rows = await settlements(books, "run");
    const shown = [
      "pool_id",
      "node_id",
      "cursor",
      "label",
      "runtime",
      "key",
      "driver",
      "outcome",
      "late",
      "out_ref",
      "verdict",
      "infra",
    ];
    expect(rows.map((row) => shown.map((name) => row[name]))).toEqual([
      ["driver", "below", null, "below", null, null, false, "down", false, null, null, true],
      ["run", "leaf", "0", "leaf", "node", null, false, "done", false, "r", { score: 1 }, null],
      ["run", "driver", null, "driver", null, null, true, "done", false, null, null, null],
    ]);
    // Of the leaf what it settled with, not what was corrected; of the driver what its pool committed.
    expect(rows.map(({ charged_tokens, usd, tokens_known }) => [charged_tokens, usd, tokens_known])).toEqual([
      ["7", "0", true],
      ["11", "0.5", true],
      ["12", "0", true],
    ]);
    const delivered = (await books.journal("run")).find(({ kind }) => kind === "delivered");
    expect(rows[1]).toMatchObject({ delivered_seq: delivered?.seq, delivered_at: delivered?.recorded_at });
    // The run itself is a child of the budget, and no child of the run.
    await books.ok({ op: "cancel", node_id: "open", reason: "enough" }, { op: "close_pool", pool_id: "run" });
    expect((await settlements(books, "run")).map(({ node_id }) => node_id)).not.toContain("run");
  });

  it("shows an expired child, and the same row with its end when it is settled late", async () => {
    const books = await ledger.open();
    await books.ok(openRun("run"), spawn("run", "a", { tokens: 30 }, { lease_ms: 1 }), {
      op: "dispatch",
      node_id: "a",
    });
    await sleep(5);
    await books.ok({ op: "expire" }, deliver("run"));
    const [expired] = await settlements(books, "run");
    expect(expired).toMatchObject({
      outcome: "expired",
      late: false,
      reason: "lease-expired",
      cursor: "0",
      charged_tokens: "30",
    });
    await books.ok(settle("a", { input_tokens: 4 }, { out_ref: "r" }));
    const rows = await settlements(books, "run");
    expect(rows).toEqual([{ ...expired, outcome: "done", late: true, reason: null, out_ref: "r" }]);
  });

  it("shows every child that had a key, superseded ones too", async () => {
    const books = await ledger.open();
    const keyed = { key: "k", label: "work" };
    await books.ok(openRun("run"), spawn("run", "first", {}, keyed), settle("first", {}, { outcome: "down" }));
    await books.ok(spawn("run", "second", {}, keyed), { op: "cancel", node_id: "second", reason: "again" });
    await books.ok(spawn("run", "third", {}, keyed), settle("third"));
    const rows = await settlements(books, "run");
    expect(rows.map(({ node_id, key, outcome }) => [node_id, key, outcome])).toEqual([
      ["first", "k", "down"],
      ["second", "k", "cancelled"],
      ["third", "k", "done"],
    ]);
  });

  it("reads each event of a run once and no other run, also in a database that was never analysed", async () => {
    const books = await ledger.open();
    for (const table of ["nodes", "pools", "runs", "journal"]) {
      await ledger.client.query(`alter table ledger_private.${table} set (autovacuum_enabled = false)`);
    }
    const children = (run: string, from: number, to: number) =>
      Array.from({ length: to - from }, (_, n) => `${run}-${from + n}`);
    const work = async (run: string, from: number, to: number): Promise<void> => {
      await books.apply(children(run, from, to).map((child) => spawn(run, child)));
      await books.apply(children(run, from, to).flatMap((child) => [settle(child), deliver(run)]));
    };
    await books.ok(openRun("run"), openRun("other"));
    await work("other", 0, 300);
    await work("run", 0, 100);
    const touched = async (): Promise<number> => {
      const { rows } = await ledger.client.query(
        "explain (analyze, timing off, format json) select * from ledger.settlements where tenant_id = $1 and run_id = 'run'",
        [books.tenantId],
      );
      return rowsTouched(rows[0]["QUERY PLAN"][0].Plan);
    };
    const few = await touched();
    await work("run", 100, 400);
    expect((await touched()) / few).toBeLessThan(5);
    expect(await settlements(books, "run")).toHaveLength(400);
    expect(few).toBeLessThan(100 * 40);
  });
});

interface Plan {
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Plan[];
}

/** Rows that a plan yielded or threw away, over all of its nodes. */
function rowsTouched(plan: Plan): number {
  const each = plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0);
  return (plan.Plans ?? []).reduce((sum, below) => sum + rowsTouched(below), each * plan["Actual Loops"]);
}
