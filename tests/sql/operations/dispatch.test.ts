import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const dispatch = (nodeId: string) => ({ op: "dispatch", node_id: nodeId });

describe.each(WAYS)("dispatch %s", (way) => {
  it("says that from here the provider may bill, and moves nothing", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", { tokens: 10 }), spawn("r", "a", { tokens: 5 }, { tags: { step: "plan" } }));
    expect(await books.ok({ ...dispatch("a"), tags: { try: "1" } })).toEqual({ pool_id: "r", seq: 3 });
    expect(await books.node("a")).toMatchObject({ status: "dispatched", outcome: null });
    expect((await books.node("a")).dispatched_at).toBeInstanceOf(Date);
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "dispatched",
      node_id: "a",
      tags: { step: "plan", try: "1" },
    });
    expect(await books.balance("r", "tokens")).toEqual(["5", "5", "0"]);
  });

  it("is ok again, without a row", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"), dispatch("a"));
    const first = (await books.node("a")).dispatched_at;
    expect(await books.ok(dispatch("a"))).toEqual({ pool_id: "p", seq: null });
    expect((await books.node("a")).dispatched_at).toEqual(first);
    expect(await books.kinds("p")).toEqual(["opened", "spawned", "dispatched"]);
  });

  it("is accepted after the lease passed, until the expiry is booked", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }),
      spawn("p", "a", { tokens: 5 }, { lease_ms: 1 }),
      spawn("p", "b", { tokens: 1 }, { lease_ms: 1 }),
    );
    await sleep(5);
    await books.ok(dispatch("a"), { op: "expire" });
    expect(await books.balance("p", "tokens")).toEqual(["5", "0", "5"]);
    for (const id of ["a", "b"]) expect(await books.failed("LG004", dispatch(id))).toBe("node_id");
  });

  it("is for an open hold", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p"),
      spawn("p", "a"),
      settle("a"),
      spawnDriver("p", "d"),
      dispatch("d"),
      settleDriver("d"),
    );
    expect(await books.failed("LG001", dispatch("p"))).toBe("node_id");
    expect(await books.failed("LG003", dispatch("nobody"))).toBe("node_id");
    for (const id of ["a", "d"]) expect(await books.failed("LG004", dispatch(id))).toBe("node_id");
    expect(await books.failed("LG001", { ...dispatch("a"), lease_ms: 5 })).toBe("lease_ms");
  });
});
