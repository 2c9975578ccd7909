import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, openRun, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const extend = (nodeId: string, lease_ms: unknown = 60_000) => ({ op: "extend", node_id: nodeId, lease_ms });

describe.each(WAYS)("extend %s", (way) => {
  it("gives a new lease from now on, shorter too", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", { tokens: 10 }), spawn("r", "a", { tokens: 5 }));
    expect(await books.node("a")).toMatchObject({ lease_at: null, lapsed: false });
    expect(await books.ok(extend("a"))).toEqual({ pool_id: "r", seq: 3 });
    const lease = (ms: number) =>
      books.row(
        `select n.lease_at = j.recorded_at + $3 * interval '1 ms' as exact, (j.detail ->> 'lease_at')::timestamptz = n.lease_at as told
       from ledger.nodes n join ledger.journal j on j.tenant_id = n.tenant_id and j.node_id = n.node_id
       where n.tenant_id = $1 and n.node_id = $2 and j.kind = 'extended' order by j.seq desc limit 1`,
        "a",
        ms,
      );
    expect(await lease(60_000)).toEqual({ exact: true, told: true });
    await books.ok(extend("a", 5));
    expect(await lease(5)).toEqual({ exact: true, told: true });
    await sleep(10);
    expect(await books.node("a")).toMatchObject({ lapsed: true });
    expect(await books.balance("r", "tokens")).toEqual(["5", "5", "0"]);
  });

  it("is accepted after the lease passed, until the expiry is booked", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), spawn("p", "a", { tokens: 5 }, { lease_ms: 1 }));
    await sleep(5);
    expect(await books.node("a")).toMatchObject({ lapsed: true, status: "pending" });
    await books.ok(extend("a"));
    expect(await books.node("a")).toMatchObject({ lapsed: false });
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [] });
    await books.ok(extend("a", 1));
    await sleep(5);
    await books.ok({ op: "expire" });
    expect(await books.failed("LG004", extend("a"))).toBe("node_id");
  });

  it("protects everything below a driver that has no lease of its own", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawnDriver("p", "d", {}, { lease_ms: 1 }), spawn("d", "a"));
    await sleep(5);
    expect(await books.node("a")).toMatchObject({ lapsed: true });
    await books.ok(extend("d"));
    expect(await books.node("a")).toMatchObject({ lapsed: false });
    expect(await books.ok({ op: "expire", pool_id: "p" })).toMatchObject({ expired: [] });
  });

  it("is found by the next expiry of a pool that had no lease before", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"), extend("a", 1));
    await sleep(5);
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [{ node_id: "a" }] });
  });

  it("is for an open hold", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), openRun("r", {}, { parent_pool_id: "p" }), spawn("r", "a"), settle("a"));
    expect(await books.failed("LG001", extend("p"))).toBe("node_id");
    expect(await books.failed("LG003", extend("nobody"))).toBe("node_id");
    expect(await books.failed("LG004", extend("a"))).toBe("node_id");
    await books.ok(extend("r"));
  });

  it.each([0, -1, 1.5, 315_360_000_001, "60000", null, undefined])("does not take a lease of %j", async (lease_ms) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"));
    expect(await books.failed("LG001", { op: "extend", node_id: "a", lease_ms })).toBe("lease_ms");
  });
});
