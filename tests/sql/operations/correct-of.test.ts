/** What can be corrected: an operation that booked one spend of its own. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { correct, meter, openPool, settle, settleDriver, spawn, spawnDriver, spend } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("a correction %s", (way) => {
  it.each([
    ["an operation that was never", "nothing"],
    ["a spawn", "spawn"],
    ["an opening", "open"],
    ["a dispatch", "dispatch"],
    ["a driver's settlement, which is its pool's", "driver-ends"],
    ["a correction", "correction"],
    ["a refused spawn", "refused"],
    ["an operation in error", "error"],
    ["an expiry of nothing", "expiry-of-none"],
  ])("is not of %s", async (_what, of) => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }, { operation_id: "open" }),
      spawnDriver("p", "d", { tokens: 1 }, { operation_id: "spawn" }),
      { op: "dispatch", node_id: "d", operation_id: "dispatch" },
      { ...settleDriver("d"), operation_id: "driver-ends" },
      meter("p", { input_tokens: 1 }, { operation_id: "m" }),
      correct("m", { input_tokens: 2 }, { operation_id: "correction" }),
      { op: "expire", operation_id: "expiry-of-none" },
    );
    await books.refused("budget-exhausted", spawn("p", "x", { tokens: 99 }, { operation_id: "refused" }));
    await books.failed("LG003", settle("nobody", {}, { operation_id: "error" }));
    expect(await books.failed("LG001", correct(of))).toBe("of");
  });

  it("is of an expiry of one leaf, not of several nodes", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100 }));
    for (const id of ["a", "b", "c"])
      await books.ok(spawn("p", id, { tokens: 10 }, { lease_ms: id === "c" ? 300 : 1 }), {
        op: "dispatch",
        node_id: id,
      });
    await sleep(5);
    await books.ok({ op: "expire", operation_id: "two" });
    expect(await books.failed("LG001", correct("two"))).toBe("of");
    await sleep(310);
    await books.ok({ op: "expire", pool_id: "p", operation_id: "one" }, correct("one", { input_tokens: 1 }));
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "21", uncertain: "20" });
  });

  it("is of an expiry of the whole tenant where that ended one leaf", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100 }), spawn("p", "a", { tokens: 10 }, { lease_ms: 1 }), {
      op: "dispatch",
      node_id: "a",
    });
    await sleep(5);
    await books.ok({ op: "expire", operation_id: "all" }, correct("all", { input_tokens: 4 }));
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "4", uncertain: "0" });
  });

  it("is not of an expiry that ended a driver", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100 }), spawnDriver("p", "d", { tokens: 10 }, { lease_ms: 1 }));
    await sleep(5);
    expect(await books.ok({ op: "expire", pool_id: "p", operation_id: "expiry" })).toMatchObject({
      expired: [{ node_id: "d" }],
    });
    expect(await books.failed("LG001", correct("expiry"))).toBe("of");
  });

  it.each([
    [{ of: undefined }, "of"],
    [{ spend: undefined }, "spend"],
    [{ reason: undefined }, "reason"],
    [{ lines: [] }, "lines"],
    [{ spend: spend({ input_tokens: -1 }) }, "spend.input_tokens"],
  ])("does not take %j", async (change, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), meter("p", {}, { operation_id: "m" }));
    expect(await books.failed("LG001", { ...correct("m"), ...change })).toBe(path);
  });
});
