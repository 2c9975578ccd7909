import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books, Row } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

async function breakdown(books: Books, runId: string): Promise<Record<string, Row>> {
  const rows = await books.rows("select * from ledger.spent_breakdown where tenant_id = $1 and run_id = $2", runId);
  expect(rows).toHaveLength(3);
  return Object.fromEntries(rows.map((row) => [String(row.source), row]));
}

const NOTHING = {
  iterations: "0",
  input_tokens: "0",
  charged_tokens: "0",
  usd: "0",
  uncertain_usd: "0",
  tokens_known: true,
  usd_known: true,
};

describe("spent_breakdown", () => {
  it("has three rows for a run in which nothing happened", async () => {
    const books = await ledger.open();
    await books.ok(openRun("r"));
    const rows = await breakdown(books, "r");
    for (const source of ["driver_inference", "child_work", "total"])
      expect(rows[source], source).toMatchObject(NOTHING);
  });

  it("tells what drivers metered from what leaves settled, at every depth, also while the run is live", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top", { usd: "50" }),
      openRun("r", { tokens: 1000 }, { parent_pool_id: "top" }),
      meter("r", { input_tokens: 1, usd: "1", ms: 5 }),
      spawnDriver("r", "d", { tokens: 500 }),
      meter("d", { input_tokens: 10, cache_read_tokens: 4, usd: "2" }),
      spawn("d", "a", { tokens: 200 }),
      settle("a", { iterations: 1, input_tokens: 100, output_tokens: 50, reasoning_tokens: 20, usd: "4" }),
      spawn("r", "b", { tokens: 100 }),
    );
    const live = {
      driver_inference: {
        ...NOTHING,
        input_tokens: "11",
        charged_tokens: "11",
        cache_read_tokens: "4",
        usd: "3",
        ms: "5",
      },
      child_work: {
        ...NOTHING,
        iterations: "1",
        input_tokens: "100",
        output_tokens: "50",
        reasoning_tokens: "20",
        charged_tokens: "150",
        usd: "4",
      },
      total: { ...NOTHING, iterations: "1", input_tokens: "111", charged_tokens: "161", usd: "7", ms: "5" },
    };
    expect(await breakdown(books, "r")).toMatchObject(live);
    await books.ok(settleDriver("d"));
    expect(await breakdown(books, "r")).toMatchObject(live);
    await books.ok({ op: "cancel", node_id: "b", reason: "r" }, settleDriver("r"));
    expect(await breakdown(books, "r")).toMatchObject(live);
  });

  it("counts corrections, expiries and late spend with what they are of", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 1000, usd: "10" }),
      spawnDriver("r", "d", { tokens: 500, usd: "5" }),
      meter("d", { input_tokens: 10, usd: "1" }, { operation_id: "turn" }),
      spawn("d", "a", { tokens: 40, usd: "0.5" }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "a" },
    );
    await sleep(5);
    await books.ok({ op: "expire" });
    expect(await breakdown(books, "r")).toMatchObject({
      child_work: {
        input_tokens: "0",
        charged_tokens: "40",
        usd: "0.5",
        uncertain_tokens: "40",
        uncertain_usd: "0.5",
        tokens_known: false,
        usd_known: false,
      },
      driver_inference: { tokens_known: true, usd_known: true },
    });
    await books.ok(
      settle("a", { input_tokens: 30, usd: "0.25" }),
      settleDriver("d"),
      correct("turn", { input_tokens: 12, usd: "1.5" }),
      meter("d", { input_tokens: 1 }),
    );
    expect(await breakdown(books, "r")).toMatchObject({
      child_work: {
        input_tokens: "30",
        charged_tokens: "30",
        usd: "0.25",
        uncertain_tokens: "0",
        tokens_known: true,
        usd_known: true,
      },
      driver_inference: { charged_tokens: "13", usd: "1.5" },
      total: { charged_tokens: "43", usd: "1.75" },
    });
  });

  it("leaves a seal's remainder out, which is no node's spend", async () => {
    const books = await ledger.open();
    await books.ok(openRun("r", { usd: "10" }), meter("r", { usd_known: false }), meter("r", { usd: "1" }));
    expect(await books.channel("r", "usd")).toMatchObject({ committed: "10" });
    expect(await breakdown(books, "r")).toMatchObject({ total: { usd: "1", uncertain_usd: "0", usd_known: false } });
  });

  it("keeps two runs under one budget apart", async () => {
    const books = await ledger.open();
    await books.ok(openPool("top", { tokens: 100 }));
    for (const [id, input_tokens] of [
      ["one", 1],
      ["two", 2],
    ] as const) {
      await books.ok(openRun(id, { tokens: 10 }, { parent_pool_id: "top" }), meter(id, { input_tokens }));
    }
    await books.ok(meter("top", { input_tokens: 50 }));
    expect(await breakdown(books, "one")).toMatchObject({ total: { charged_tokens: "1" } });
    expect(await breakdown(books, "two")).toMatchObject({ total: { charged_tokens: "2" } });
  });
});
