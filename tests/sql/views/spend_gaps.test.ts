/** Nodes of a run of which the ledger does not know all. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books, Operation } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const announce = (poolId: string, meterId: string) => ({ op: "dispatch", pool_id: poolId, meter_id: meterId });

async function gaps(books: Books, runId = "r"): Promise<unknown[]> {
  const rows = await books.rows(
    "select node_id, gap, channels from ledger.spend_gaps where tenant_id = $1 and run_id = $2 order by gap, node_id",
    runId,
  );
  return rows.map(({ node_id, gap, channels }) => [node_id, gap, channels]);
}

/** A run with money, with these operations played in it. */
async function played(...operations: Operation[]): Promise<Books> {
  const books = await ledger.open();
  await books.ok(openRun("r", { tokens: 1000, usd: "10", gpu_seconds: 50 }, { unknown_usd: "flag" }), ...operations);
  return books;
}

describe("ledger.spend_gaps", () => {
  it("shows children that are open, by what they hold, and not the run's root", async () => {
    const books = await played(
      openRun("o"),
      spawn("r", "leaf", { tokens: 10, usd: "1", gpu_seconds: 5 }),
      spawnDriver("r", "driver", { tokens: 90 }),
      spawn("driver", "below", { tokens: 30 }),
      spawn("o", "idle"),
      spawn("o", "busy"),
      { op: "dispatch", node_id: "busy" },
      spawnDriver("o", "lead"),
    );
    expect(await gaps(books)).toEqual([
      ["below", "never-settled", ["tokens"]],
      ["driver", "never-settled", ["tokens"]],
      ["leaf", "never-settled", ["tokens", "usd", "gpu_seconds"]],
    ]);
    // What holds nothing and was never dispatched cannot have spent anything.
    expect(await gaps(books, "o")).toEqual([
      ["busy", "never-settled", ["tokens", "usd"]],
      ["lead", "never-settled", ["tokens", "usd"]],
    ]);
    await books.ok(settle("leaf"), settle("below"), settleDriver("driver"));
    expect(await gaps(books)).toEqual([]);
  });

  it("shows usage that nobody reported, by channel, until it is corrected", async () => {
    const books = await played(
      meter("r", { input_tokens: 5, tokens_known: false }, { operation_id: "tokens" }),
      spawn("r", "a", { tokens: 10 }),
      settle("a", { input_tokens: 5, usd_known: false }, { operation_id: "usd" }),
      spawnDriver("r", "d", { tokens: 10 }),
      meter("d", { tokens_known: false, usd_known: false }, { operation_id: "both" }),
      meter("d", { tokens_known: false }, { operation_id: "more" }),
      settleDriver("d"),
    );
    expect(await gaps(books)).toEqual([
      ["a", "unreported", ["usd"]],
      ["d", "unreported", ["tokens", "usd"]],
      ["r", "unreported", ["tokens"]],
    ]);
    await books.ok(correct("tokens", { input_tokens: 6 }), correct("both"), correct("usd", { usd: "0.1" }));
    expect(await gaps(books)).toEqual([["d", "unreported", ["tokens"]]]);
    await books.ok(correct("more"));
    expect(await gaps(books)).toEqual([]);
  });

  it("takes an estimate for an answer, and a ceiling charged for silence for none", async () => {
    const books = await played(
      meter("r", { usd: "0.2", usd_known: false }),
      spawn("r", "estimated", { tokens: 10, usd: "1" }),
      settle("estimated", { usd: "0.4", usd_known: false }),
      spawn("r", "silent", { tokens: 10, usd: "1" }),
      settle("silent", { usd_known: false }, { operation_id: "silent" }),
      spawn("r", "nothing", { tokens: 10, usd: "0" }),
      settle("nothing", { usd_known: false }),
    );
    expect(await gaps(books)).toEqual([
      ["nothing", "unreported", ["usd"]],
      ["silent", "unreported", ["usd"]],
    ]);
    await books.ok(correct("silent", { usd: "0.7", usd_known: false }));
    expect(await gaps(books)).toEqual([["nothing", "unreported", ["usd"]]]);
  });

  it("shows what expired after its dispatch until the truth comes", async () => {
    const lease = { lease_ms: 1 };
    const books = await played(
      spawn("r", "busy", { tokens: 10, usd: "1" }, lease),
      spawn("r", "open", { tokens: 10 }, lease),
      spawn("r", "idle", { tokens: 10 }, lease),
      { op: "dispatch", node_id: "busy" },
      { op: "dispatch", node_id: "open" },
    );
    await sleep(5);
    await books.ok({ op: "expire" });
    expect(await gaps(books)).toEqual([
      ["busy", "unreported", ["tokens", "usd"]],
      ["open", "unreported", ["tokens", "usd"]],
    ]);
    await books.ok(
      settle("busy", { input_tokens: 3, usd: "0.3" }),
      settle("open", { input_tokens: 3, usd_known: false }),
    );
    expect(await gaps(books)).toEqual([["open", "unreported", ["usd"]]]);
  });

  it("shows a driver's call in doubt, beside what else is open", async () => {
    const books = await played(spawnDriver("r", "d", { tokens: 9 }), announce("d", "m"), announce("d", "n"));
    const open = ["d", "never-settled", ["tokens"]];
    expect(await gaps(books)).toEqual([open, ["d", "unreported", ["tokens", "usd"]]]);
    await books.ok(meter("d", {}, { operation_id: "m" }));
    expect(await gaps(books)).toEqual([open, ["d", "unreported", ["tokens", "usd"]]]);
    await books.ok(meter("d", { usd: "0.5", usd_known: false, tokens_known: false }, { operation_id: "n" }));
    expect(await gaps(books)).toEqual([open, ["d", "unreported", ["tokens"]]]);
  });

  it("blames nobody for what a seal took", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top", { usd: "5" }),
      openRun("r", {}, { parent_pool_id: "top" }),
      openRun("s", { usd: "3" }),
    );
    await books.ok(
      meter("r", { usd_known: false }, { operation_id: "m" }),
      meter("s", { usd_known: false }, { operation_id: "n" }),
      meter("s", { usd: "0.5" }),
    );
    expect(await gaps(books)).toEqual([["r", "unreported", ["usd"]]]);
    expect(await gaps(books, "s")).toEqual([["s", "unreported", ["usd"]]]);
    expect(await gaps(books, "top")).toEqual([]);
  });
});
