import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books } from "../books.js";
import { openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const BRIEF = { lease_ms: 1 };
const LONG = { lease_ms: 600_000 };

async function lapsed(books: Books): Promise<unknown[]> {
  return (await books.rows("select node_id from ledger.nodes where tenant_id = $1 and lapsed order by 1")).map(
    ({ node_id }) => node_id,
  );
}

describe("nodes", () => {
  it("show a spawn as it was asked, and what it holds", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 10 }, { tags: { team: "t" } }),
      spawn(
        "r",
        "a",
        { tokens: 4, iterations: 2, usd: 0 },
        { runtime: "node", key: "k", label: "l", tags: { step: "s" }, ...LONG },
      ),
    );
    const { lease_at, spawned_at, ...rest } = await books.node("a");
    expect(rest).toEqual({
      tenant_id: books.tenantId,
      node_id: "a",
      parent_node_id: "r",
      run_id: "r",
      driver: false,
      label: "l",
      runtime: "node",
      key: "k",
      status: "pending",
      budget: { tokens: 4, iterations: 2, usd: 0 },
      hold: { tokens: 4 },
      lapsed: false,
      cursor: null,
      outcome: null,
      verdict: null,
      out_ref: null,
      reason: null,
      infra: null,
      tags: { team: "t", step: "s" },
      dispatched_at: null,
      ended_at: null,
      task_ref: null,
      terminal_seq: null,
      superseded: false,
    });
    expect(Number(lease_at) - Number(spawned_at)).toBe(600_000);
  });

  it("are lapsed by the nearest lease above where they have none of their own", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top"),
      spawnDriver("top", "d1", {}, BRIEF),
      spawnDriver("d1", "d2"),
      spawnDriver("d2", "d3", {}, LONG),
      ...["d1", "d2", "d3"].map((id) => spawn(id, `heir-of-${id}`)),
      spawn("d2", "long", {}, LONG),
      spawn("d3", "brief", {}, BRIEF),
      spawn("top", "without"),
    );
    await sleep(5);
    expect(await lapsed(books)).toEqual(["brief", "d1", "d2", "heir-of-d1", "heir-of-d2"]);
    const leases = await books.rows(`
      select n.node_id from ledger.nodes n
      join ledger.nodes d on d.tenant_id = n.tenant_id and d.node_id = 'd1' and d.lease_at = n.lease_at
      where n.tenant_id = $1 order by 1`);
    expect(leases.map(({ node_id }) => node_id)).toEqual(["d1", "d2", "heir-of-d1", "heir-of-d2"]);
    expect(await books.node("without")).toMatchObject({ lease_at: null, lapsed: false });
    await books.ok({ op: "extend", node_id: "d1", lease_ms: 600_000 });
    expect(await lapsed(books)).toEqual(["brief"]);
  });

  it("are lapsed only until their end is booked, and never at the top", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top"),
      spawn("top", "settled", {}, BRIEF),
      spawn("top", "expired", {}, BRIEF),
      spawn("top", "dispatched", {}, BRIEF),
      { op: "dispatch", node_id: "dispatched" },
    );
    await sleep(5);
    expect(await lapsed(books)).toEqual(["dispatched", "expired", "settled"]);
    await books.ok(settle("settled"));
    expect(await lapsed(books)).toEqual(["dispatched", "expired"]);
    await books.ok({ op: "expire" });
    expect(await lapsed(books)).toEqual([]);
    expect(await books.node("top")).toMatchObject({ lease_at: null, lapsed: false });
  });

  it("inherit from above a run as well", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top"),
      spawnDriver("top", "project", {}, BRIEF),
      openRun("run", {}, { parent_pool_id: "project" }),
      spawn("run", "a"),
    );
    await sleep(5);
    expect(await lapsed(books)).toEqual(["a", "project", "run"]);
    await books.ok({ op: "expire" });
    expect(await books.node("run")).toMatchObject({ status: "down", reason: "lease-expired" });
    expect(await books.row("select outcome from ledger.runs where tenant_id = $1")).toEqual({ outcome: "down" });
  });

  it("say how each ended", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r"),
      spawn("r", "done"),
      spawn("r", "down"),
      spawn("r", "cancelled"),
      spawn("r", "pending"),
      settle("done"),
      settle("down", {}, { outcome: "down" }),
      { op: "cancel", node_id: "cancelled", reason: "r" },
    );
    const rows = await books.rows(
      "select node_id, status, outcome from ledger.nodes where tenant_id = $1 and node_id <> 'r' order by 1",
    );
    expect(rows).toEqual([
      { node_id: "cancelled", status: "cancelled", outcome: "cancelled" },
      { node_id: "done", status: "done", outcome: "done" },
      { node_id: "down", status: "down", outcome: "down" },
      { node_id: "pending", status: "pending", outcome: null },
    ]);
    await books.ok(settle("pending"), settleDriver("r"));
    expect(await books.node("r")).toMatchObject({ outcome: "done", parent_node_id: null });
  });
});
