import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const BRIEF = { lease_ms: 1 };
const LONG = { lease_ms: 600_000 };

describe.each(WAYS)("expire %s", (way) => {
  it("gives back what was never dispatched and charges the ceilings of what was", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, iterations: 10, usd: "5", gpu: 9 }),
      spawn("r", "waiting", { tokens: 10, iterations: 1, usd: "1" }, BRIEF),
      spawn("r", "sent", { tokens: 20, iterations: 2, usd: "2", gpu: "1.5" }, BRIEF),
      { op: "dispatch", node_id: "sent" },
      spawn("r", "leased", { tokens: 5, iterations: 1 }, LONG),
      spawn("r", "unleased", { tokens: 5, iterations: 1 }),
    );
    await sleep(5);
    const result = await books.ok({ op: "expire", pool_id: "r", operation_id: "x" });
    expect(result).toEqual({
      pool_id: "r",
      seq: 8,
      expired: [
        { node_id: "sent", charged: { tokens: "20", iterations: "2", usd: "2", gpu: "1.5" } },
        { node_id: "waiting", charged: {} },
      ],
    });
    expect(await books.channel("r", "tokens")).toMatchObject({
      free: "70",
      reserved: "10",
      committed: "20",
      uncertain: "20",
      measured: false,
    });
    expect(await books.channel("r", "usd")).toMatchObject({
      free: "3",
      reserved: "0",
      committed: "2",
      uncertain: "2",
      sealed: false,
    });
    expect(await books.channel("r", "gpu")).toMatchObject({
      free: "7.5",
      committed: "1.5",
      uncertain: "1.5",
      measured: false,
    });
    expect((await books.journal("r")).slice(-2)).toMatchObject([
      {
        kind: "expired",
        node_id: "sent",
        charged_tokens: "20",
        input_tokens: "0",
        usd: "2",
        usd_known: false,
        tokens_known: false,
      },
      {
        kind: "expired",
        node_id: "waiting",
        outcome: "expired",
        reason: "lease-expired",
        operation_id: "x",
        charged_tokens: "0",
        usd: "0",
        usd_known: true,
      },
    ]);
    expect(await books.node("sent")).toMatchObject({
      status: "expired",
      outcome: "expired",
      reason: "lease-expired",
      lapsed: false,
    });
    expect(await books.ok({ op: "expire", pool_id: "r" })).toEqual({ pool_id: "r", seq: null, expired: [] });
  });

  it("counts dollars that were dispatched without a ceiling as unknown", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { usd: "5" }),
      openRun("r", { tokens: 100 }, { parent_pool_id: "top" }),
      spawn("r", "a", { tokens: 10 }, BRIEF),
      { op: "dispatch", node_id: "a" },
    );
    await sleep(5);
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [{ node_id: "a", charged: { tokens: "10" } }] });
    expect(await books.channel("top", "usd")).toMatchObject({ free: "0", committed: "5", sealed: true });
    await books.refused("usd-sealed", spawn("r", "b", { tokens: 1 }));
    await books.ok(settle("a", { input_tokens: 1, usd: "0.5" }));
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "4.5",
      committed: "0.5",
      uncertain: "0",
      sealed: false,
    });
  });

  it("ends a lapsed driver as down with what its pool booked, deepest first", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, iterations: 10 }),
      spawnDriver("r", "d", { tokens: 60, iterations: 6 }, BRIEF),
      spawnDriver("d", "dd", { tokens: 30, iterations: 3 }),
      meter("dd", { input_tokens: 4 }),
      spawn("dd", "sent", { tokens: 10, iterations: 1 }),
      { op: "dispatch", node_id: "sent" },
      spawn("d", "waiting", { tokens: 5, iterations: 1 }),
    );
    await sleep(5);
    const result = await books.ok({ op: "expire", pool_id: "r" });
    expect(result.expired).toEqual([
      { node_id: "sent", charged: { tokens: "10", iterations: "1" } },
      { node_id: "dd", charged: { tokens: "14", iterations: "1" } },
      { node_id: "waiting", charged: {} },
      { node_id: "d", charged: { tokens: "14", iterations: "1" } },
    ]);
    expect(await books.channel("r", "tokens")).toMatchObject({
      free: "86",
      reserved: "0",
      committed: "14",
      uncertain: "10",
    });
    for (const id of ["d", "dd"])
      expect(await books.node(id)).toMatchObject({ status: "down", reason: "lease-expired" });
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "settled",
      outcome: "down",
      reason: "lease-expired",
      node_id: "d",
    });
    expect(await books.failed("LG004", settleDriver("d"))).toBe("node_id");
  });

  it("leaves a driver alone while a child of its holds a longer lease, and ends what else lapsed", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }),
      spawnDriver("p", "d", { tokens: 50 }, BRIEF),
      spawn("d", "long", { tokens: 5 }, LONG),
      spawn("d", "heir", { tokens: 5 }),
    );
    await sleep(5);
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [{ node_id: "heir", charged: {} }] });
    expect(await books.node("d")).toMatchObject({ status: "pending", lapsed: true });
    expect(await books.balance("d", "tokens")).toEqual(["45", "5", "0"]);
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [] });
    await books.ok(settle("long", { input_tokens: 5 }));
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [{ node_id: "d", charged: { tokens: "5" } }] });
    expect(await books.balance("p", "tokens")).toEqual(["95", "0", "5"]);
  });

  it("names no row of the pool it was asked of where it wrote none there", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }),
      spawnDriver("p", "d", { tokens: 50 }, BRIEF),
      spawn("d", "long", { tokens: 5 }, LONG),
      spawn("d", "heir", { tokens: 5 }),
      { op: "dispatch", node_id: "heir" },
      meter("p", { input_tokens: 7 }),
    );
    await sleep(5);
    const result = await books.ok({ op: "expire", pool_id: "p", operation_id: "x" });
    expect(result).toEqual({ pool_id: "p", seq: null, expired: [{ node_id: "heir", charged: { tokens: "5" } }] });
    await books.ok(correct("x", { input_tokens: 2 }));
    expect(await books.balance("p", "tokens")).toEqual(["43", "50", "7"]);
    expect(await books.channel("d", "tokens")).toMatchObject({
      free: "43",
      reserved: "5",
      committed: "2",
      uncertain: "0",
    });
  });

  it("ends a leaf of its own lease below a driver that lives", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }),
      spawnDriver("p", "d", { tokens: 50 }, LONG),
      spawn("d", "brief", { tokens: 5 }, BRIEF),
      spawn("d", "heir", { tokens: 5 }),
    );
    await sleep(5);
    expect(await books.ok({ op: "expire", pool_id: "p" })).toMatchObject({ expired: [], seq: null });
    expect(await books.ok({ op: "expire" })).toMatchObject({
      expired: [{ node_id: "brief" }],
      pool_id: null,
      seq: null,
    });
    expect(await books.node("heir")).toMatchObject({ status: "pending", lapsed: false });
  });

  it("goes through all pools of the tenant, and stays in one where it is told to", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), openPool("q", { tokens: 10 }));
    for (const id of ["p", "q"]) await books.ok(spawn(id, `${id}-a`, { tokens: 1 }, BRIEF));
    await sleep(5);
    expect(await books.ok({ op: "expire", pool_id: "p" })).toMatchObject({ expired: [{ node_id: "p-a" }] });
    expect(await books.node("q-a")).toMatchObject({ status: "pending", lapsed: true });
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [{ node_id: "q-a" }] });
    expect(await books.failed("LG002", { op: "expire", pool_id: "nowhere" })).toBe("pool_id");
    expect(await books.failed("LG001", { op: "expire", node_id: "q-a" })).toBe("node_id");
  });

  it("charges ceilings to who pays, where the pool holds nothing for them", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { gpu: 10 }),
      openPool("mid", {}, { parent_pool_id: "top" }),
      spawn("mid", "a", { gpu: 3, tokens: 7 }, BRIEF),
      { op: "dispatch", node_id: "a" },
    );
    await sleep(5);
    expect(await books.ok({ op: "expire" })).toMatchObject({
      expired: [{ node_id: "a", charged: { tokens: "7", gpu: "3" } }],
    });
    expect(await books.channel("mid", "gpu")).toMatchObject({ committed: "3", uncertain: "3", measured: false });
    expect(await books.channel("top", "gpu")).toMatchObject({
      free: "7",
      committed: "3",
      uncertain: "3",
      measured: false,
    });
    await books.ok(settle("a", { resources: { gpu: { amount: 1 } } }));
    expect(await books.channel("top", "gpu")).toMatchObject({
      free: "9",
      committed: "1",
      uncertain: "0",
      measured: true,
    });
    expect(await books.channel("mid", "tokens")).toMatchObject({ committed: "0", uncertain: "0", measured: true });
  });

  it("waits to be delivered like any other end", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a", {}, BRIEF), spawnDriver("p", "d", {}, BRIEF));
    await sleep(5);
    await books.ok({ op: "expire" });
    expect(await books.ok({ op: "deliver", pool_id: "p" })).toMatchObject({ node_id: "a", outcome: "expired" });
    expect(await books.ok({ op: "deliver", pool_id: "p" })).toMatchObject({ node_id: "d", outcome: "down" });
  });
});
