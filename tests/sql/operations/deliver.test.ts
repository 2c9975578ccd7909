import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const deliver = (poolId: string) => ({ op: "deliver", pool_id: poolId });
const NOTHING = { node_id: null, cursor: null, outcome: null, out_ref: null, seq: null };

describe.each(WAYS)("deliver %s", (way) => {
  it("hands out ends in the order they were booked, once each, with a cursor from 0", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", { tokens: 100 }), ...["a", "b", "c", "d"].map((id) => spawn("r", id, { tokens: 1 })));
    expect(await books.ok(deliver("r"))).toEqual({ ...NOTHING, pool_id: "r" });
    await books.ok(
      settle("c", { input_tokens: 1 }, { out_ref: "sha256:c" }),
      meter("r"),
      settle("a", {}, { outcome: "down" }),
      { op: "cancel", node_id: "d", reason: "r" },
    );
    const first = await books.ok(deliver("r"));
    expect(first).toMatchObject({ pool_id: "r", node_id: "c", cursor: 0, outcome: "done", out_ref: "sha256:c" });
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "delivered",
      seq: String(first.seq),
      node_id: "c",
      outcome: "done",
      out_ref: "sha256:c",
      detail: { cursor: 0 },
      charged_tokens: null,
    });
    expect(await books.ok(deliver("r"))).toMatchObject({ node_id: "a", cursor: 1, outcome: "down", out_ref: null });
    await books.ok(settle("b", {}, { out_ref: "sha256:b" }));
    expect(await books.ok(deliver("r"))).toMatchObject({ node_id: "d", cursor: 2, outcome: "cancelled" });
    expect(await books.ok(deliver("r"))).toMatchObject({ node_id: "b", cursor: 3, outcome: "done" });
    expect(await books.ok(deliver("r"))).toEqual({ ...NOTHING, pool_id: "r" });
    expect((await books.node("b")).cursor).toBe("3");
    expect((await books.kinds("r")).filter((kind) => kind === "delivered")).toHaveLength(4);
  });

  it("hands out drivers as they ended, and not what ended inside them", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p"),
      spawnDriver("p", "d"),
      spawn("d", "a"),
      settle("a"),
      settleDriver("d", { out_ref: "o" }),
    );
    expect(await books.ok(deliver("p"))).toMatchObject({ node_id: "d", cursor: 0, outcome: "done", out_ref: "o" });
    expect(await books.ok(deliver("p"))).toMatchObject({ node_id: null });
    expect(await books.ok(deliver("d"))).toMatchObject({ node_id: "a", cursor: 0 });
  });

  it("does not hand out corrections, nor late spend of a driver", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p"),
      spawnDriver("p", "d"),
      settleDriver("d"),
      deliver("p"),
      meter("d", { input_tokens: 1 }),
    );
    expect((await books.kinds("p")).at(-1)).toBe("corrected");
    expect(await books.ok(deliver("p"))).toMatchObject({ node_id: null });
  });

  it("works in closed and frozen pools", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"), settle("a"), spawn("p", "b"), settle("b"), {
      op: "freeze",
      pool_id: "p",
    });
    expect(await books.ok(deliver("p"))).toMatchObject({ node_id: "a" });
    await books.ok(settleDriver("p"));
    expect(await books.ok(deliver("p"))).toMatchObject({ node_id: "b", cursor: 1 });
  });

  it("answers a repeated call with the same delivery", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"), settle("a"), spawn("p", "b"), settle("b"));
    const first = await books.ok({ ...deliver("p"), operation_id: "once" });
    const again = await books.do({ ...deliver("p"), operation_id: "once" });
    expect(again).toEqual({ position: 0, status: "replayed", code: null, result: first });
    expect(await books.ok(deliver("p"))).toMatchObject({ node_id: "b", cursor: 1 });
  });

  it("needs a pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "leaf"));
    for (const id of ["nowhere", "leaf"]) expect(await books.failed("LG002", deliver(id))).toBe("pool_id");
  });
});
