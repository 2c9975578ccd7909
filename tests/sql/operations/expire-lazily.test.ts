/** Room that a spawn takes back when it would be short, without anybody asking for an expiry. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const BRIEF = { lease_ms: 1 };
const LONG = { lease_ms: 600_000 };

describe.each(WAYS)("a lapsed lease %s", (way) => {
  it("keeps the room of what was dispatched until then, also from a spawn that is short", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), spawn("p", "sent", { tokens: 8 }, BRIEF), {
      op: "dispatch",
      node_id: "sent",
    });
    await sleep(5);
    await books.refused("budget-exhausted", spawn("p", "more", { tokens: 5 }));
    expect(await books.balance("p", "tokens")).toEqual(["2", "8", "0"]);
    expect(await books.kinds("p")).toEqual(["opened", "spawned", "dispatched"]);
  });

  it("is booked by a spawn that is short, for all leaves that lapsed unsent, and stays booked if that is not enough", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }),
      spawn("p", "a", { tokens: 3 }, BRIEF),
      spawn("p", "b", { tokens: 3 }, BRIEF),
      spawnDriver("p", "d", { tokens: 1 }, BRIEF),
      spawn("p", "long", { tokens: 2 }, LONG),
    );
    await sleep(5);
    await books.ok(spawn("p", "fits", { tokens: 1 }));
    expect(await books.node("a")).toMatchObject({ status: "pending" });
    const short = await books.refused("budget-exhausted", spawn("p", "big", { tokens: 7 }, { operation_id: "big" }));
    expect(short).toMatchObject({ shortfall: [{ channel: "tokens", requested: "7", free: "6" }], seq: null });
    expect((await books.journal("p")).slice(-2)).toMatchObject([
      { kind: "expired", node_id: "a", operation_id: "big" },
      { kind: "expired", node_id: "b", operation_id: "big" },
    ]);
    expect(await books.node("d")).toMatchObject({ status: "pending", lapsed: true });
    await books.ok(spawn("p", "six", { tokens: 6 }));
  });

  it("ends a leaf of an inherited lease for a spawn of that pool that is short", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }),
      spawnDriver("p", "d", { tokens: 5 }, BRIEF),
      spawn("d", "heir", { tokens: 5 }),
    );
    await sleep(5);
    await books.ok(spawn("d", "next", { tokens: 5 }));
    expect(await books.node("heir")).toMatchObject({ status: "expired" });
  });

  it("finds what a spawn that was short looked at and left", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }),
      spawn("p", "sent", { tokens: 5 }, BRIEF),
      { op: "dispatch", node_id: "sent" },
      spawn("p", "unsent", { tokens: 5 }, BRIEF),
    );
    await sleep(5);
    await books.ok(spawn("p", "next", { tokens: 5 }));
    await books.refused("budget-exhausted", spawn("p", "more", { tokens: 1 }));
    expect(await books.ok({ op: "expire" })).toMatchObject({
      expired: [{ node_id: "sent", charged: { tokens: "5" } }],
    });
    expect(await books.ok({ op: "expire" })).toMatchObject({ expired: [] });
  });
});
