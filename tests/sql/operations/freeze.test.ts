import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const freeze = (poolId: string, more = {}) => ({ op: "freeze", pool_id: poolId, ...more });
const thaw = (poolId: string, more = {}) => ({ op: "thaw", pool_id: poolId, ...more });

describe.each(WAYS)("freeze and thaw %s", (way) => {
  it("stop new children, and let them start again", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", { tokens: 10 }), spawn("r", "a", { tokens: 5 }));
    expect(await books.ok(freeze("r", { reason: "too dear" }))).toEqual({ pool_id: "r", seq: 3 });
    expect(await books.row("select state from ledger.pools where tenant_id = $1 and pool_id = 'r'")).toEqual({
      state: "frozen",
    });
    await books.refused("pool-frozen", spawn("r", "b", { tokens: 1 }));
    await books.ok(
      { op: "dispatch", node_id: "a" },
      { op: "extend", node_id: "a", lease_ms: 5000 },
      settle("a", { input_tokens: 1 }),
      meter("r"),
    );
    expect(await books.ok(thaw("r"))).toEqual({ pool_id: "r", seq: 8 });
    await books.ok(spawn("r", "b", { tokens: 1 }));
    const [frozen, thawed] = (await books.journal("r")).filter(({ kind }) => kind === "frozen" || kind === "thawed");
    expect(frozen).toMatchObject({ kind: "frozen", reason: "too dear", node_id: "r", run_id: "r" });
    expect(thawed).toMatchObject({ kind: "thawed", reason: null });
  });

  it("are ok again, without a row", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"));
    expect(await books.ok(thaw("p"))).toEqual({ pool_id: "p", seq: null });
    await books.ok(freeze("p"));
    expect(await books.ok(freeze("p", { reason: "again" }))).toEqual({ pool_id: "p", seq: null });
    expect(await books.kinds("p")).toEqual(["opened", "frozen"]);
  });

  it("count what is frozen, also where a frozen pool closes", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p"),
      spawnDriver("p", "d"),
      spawnDriver("d", "dd"),
      freeze("d"),
      freeze("dd"),
      settleDriver("dd"),
      settleDriver("d"),
    );
    await books.ok(spawn("p", "a"), freeze("p"));
    await books.refused("pool-frozen", spawn("p", "b"));
    await books.ok(thaw("p"), spawn("p", "b"));
  });

  it("are refused by a closed pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), settleDriver("p"));
    expect(await books.refused("pool-closed", freeze("p"))).toEqual({ pool_id: "p", seq: null });
    await books.refused("pool-closed", thaw("p"));
  });

  it("say pool-closed before pool-frozen of a closed pool below a frozen one", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawnDriver("p", "d"), settleDriver("d"), freeze("p"));
    await books.refused("pool-closed", spawn("d", "a"));
  });

  it("need a pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "leaf"));
    for (const id of ["nowhere", "leaf"]) {
      expect(await books.failed("LG002", freeze(id))).toBe("pool_id");
      expect(await books.failed("LG002", thaw(id))).toBe("pool_id");
    }
    expect(await books.failed("LG001", freeze("p", { reason: 5 }))).toBe("reason");
  });
});
