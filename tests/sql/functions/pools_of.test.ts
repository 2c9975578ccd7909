import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { Books, type Operation } from "../books.js";
import { meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
let books: Books;

/** tenant (usd) > project (usd, gpu) > run > driver > closed > below; `other` beside them. */
beforeAll(async () => {
  books = await Books.open(ledger.client);
  await books.ok(
    openPool("tenant", { tokens: 1000, usd: "50", mail: 5 }),
    openPool("project", { tokens: 900, usd: "10" }, { parent_pool_id: "tenant" }),
    openRun("run", { tokens: 800 }, { parent_pool_id: "project" }),
    spawnDriver("run", "driver", { tokens: 700 }),
    spawn("driver", "leaf", { tokens: 10 }),
    spawnDriver("driver", "closed", { tokens: 600 }),
    spawnDriver("closed", "below", { tokens: 500 }),
    meter("below", {}, { operation_id: "turn" }),
    settleDriver("below"),
    settleDriver("closed"),
    openPool("other", { tokens: 100 }),
    spawnDriver("other", "lapsed", { tokens: 50 }, { lease_ms: 1 }),
    spawn("lapsed", "lapsed-leaf", { tokens: 5 }),
    spawn("lapsed", "ended", { tokens: 5 }),
    settle("ended", {}, { operation_id: "end" }),
  );
  await sleep(5);
});

async function poolsOf(...operations: Operation[]): Promise<unknown[]> {
  const rows = await books.rows("select pool_id from ledger.pools_of($1, $2)", JSON.stringify(operations));
  return rows.map(({ pool_id }) => pool_id).sort();
}

const PAYERS = ["project", "tenant"];

describe("pools_of", () => {
  it.each([
    ["a meter: its pool and who pays there", meter("driver"), ["driver", ...PAYERS]],
    ["a meter in a pool that pays for itself", meter("other"), ["other"]],
    ["a spawn", spawn("run", "x"), ["run", ...PAYERS]],
    ["a dispatch: the pool that holds", { op: "dispatch", node_id: "leaf" }, ["driver", ...PAYERS]],
    ["a leaf's end", settle("leaf"), ["driver", ...PAYERS]],
    ["a driver's end: its pool and its parent", settleDriver("driver"), ["driver", "run", ...PAYERS]],
    ["a driver's cancellation", { op: "cancel", node_id: "driver", reason: "r" }, ["driver", "run", ...PAYERS]],
    ["a closing", { op: "close_pool", pool_id: "driver" }, ["driver", "run", ...PAYERS]],
    ["a run's end", settleDriver("run"), ["run", ...PAYERS]],
    [
      "late spend: every closed pool above and the first open one",
      meter("below"),
      ["below", "closed", "driver", ...PAYERS],
    ],
    [
      "a correction: where it was booked, and up",
      { op: "correct", of: "turn" },
      ["below", "closed", "driver", ...PAYERS],
    ],
    ["a correction of a leaf", { op: "correct", of: "end" }, ["lapsed"]],
    ["a correction of nothing", { op: "correct", of: "never" }, []],
    ["a pool under a parent", openPool("new", {}, { parent_pool_id: "run" }), ["new", "run", ...PAYERS]],
    ["a top pool", openPool("new"), ["new"]],
    ["an expiry: lapsed drivers' pools too", { op: "expire", pool_id: "other" }, ["lapsed", "other"]],
    ["an expiry of everything: what is due", { op: "expire" }, ["lapsed", "other"]],
    ["a judgement", { op: "judge", run_id: "run" }, ["run", ...PAYERS]],
    ["funding", { op: "fund", pool_id: "tenant", amounts: {} }, ["tenant"]],
    ["freezing", { op: "freeze", pool_id: "run" }, ["run", ...PAYERS]],
    ["a delivery", { op: "deliver", pool_id: "other" }, ["other"]],
    ["unknown names", settle("nobody"), []],
    ["an unknown pool", meter("nowhere"), ["nowhere"]],
    ["what is no operation", { op: 5, pool_id: 7, node_id: ["x"] }, []],
  ])("names the pools of %s", async (_what, operation, expected) => {
    expect(await poolsOf(operation)).toEqual([...expected].sort());
  });

  it("names each pool once, in the order of the locks", async () => {
    const operations = JSON.stringify([
      meter("driver"),
      meter("other"),
      settle("leaf"),
      meter("below"),
      meter("driver"),
      5,
      null,
      [],
    ]);
    const rows = await books.rows("select pool_id, lock_key from ledger.pools_of($1, $2)", operations);
    const keys = rows.map(({ lock_key }) => BigInt(String(lock_key)));
    expect(keys).toEqual([...keys].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(rows.map(({ pool_id }) => pool_id)).size).toBe(rows.length);
    expect(rows.length).toBe(6);
  });

  it("gives pools of the same id in two tenants two keys", async () => {
    const other = await ledger.open();
    const key = async (in_: Books) =>
      (await in_.row("select lock_key from ledger.pools_of($1, $2)", JSON.stringify([meter("x")]))).lock_key;
    expect(await key(books)).not.toEqual(await key(other));
  });

  it("wants a list", async () => {
    for (const operations of ["{}", "null", null]) {
      await expect(books.rows("select * from ledger.pools_of($1, $2)", operations)).rejects.toMatchObject({
        code: "LG001",
      });
    }
    expect(await poolsOf()).toEqual([]);
  });
});
