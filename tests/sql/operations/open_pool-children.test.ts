/** Pools below other pools. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("open_pool under a parent %s", (way) => {
  it("reserves its totals there, as a node of the same id", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top", { tokens: 100, iterations: 10, usd: "5", gpu: 3 }));
    const run = openRun(
      "run",
      { tokens: 40, iterations: 4, gpu: "1.5" },
      { parent_pool_id: "top", operation_id: "open" },
    );
    expect(await books.ok(run)).toEqual({ pool_id: "run", seq: 1, node_id: "run" });
    expect(await books.balance("top", "tokens")).toEqual(["60", "40", "0"]);
    expect(await books.balance("top", "iterations")).toEqual(["6", "4", "0"]);
    expect(await books.balance("top", "usd")).toEqual(["5", "0", "0"]);
    expect(await books.balance("top", "gpu")).toEqual(["1.5", "1.5", "0"]);
    expect(await books.node("run")).toMatchObject({
      parent_node_id: "top",
      run_id: "run",
      status: "pending",
      hold: { tokens: 40, iterations: 4, gpu: 1.5 },
    });
    expect((await books.journal("top")).at(-1)).toMatchObject({
      kind: "spawned",
      node_id: "run",
      operation_id: "open",
      seq: "2",
    });
    expect(await books.journal("run")).toMatchObject([
      { kind: "opened", operation_id: "open", source_pool_id: "top", source_seq: "2", run_id: "run" },
    ]);
  });

  it("has a row for every channel of the parent's, which pays where it is not capped itself", async () => {
    const books = await ledger.open(way);
    await books.ok(
      {
        op: "open_pool",
        pool_id: "top",
        channels: { usd: { total: 5, unit: "USD" }, gpu: { total: 3, unit: "s" }, pages: {} },
      },
      openPool("middle", { usd: null, pages: "7" }, { parent_pool_id: "top" }),
      { op: "open_pool", pool_id: "low", parent_pool_id: "middle", channels: { gpu: { unit: "h" } } },
    );
    const text =
      "select pool_id, channel, unit, capped, payer_pool_id from ledger.channels where tenant_id = $1 and pool_id in ('middle', 'low') order by 1, 2";
    const row = (pool_id: string, channel: string, unit: string | null, payer_pool_id: string | null) => ({
      pool_id,
      channel,
      unit,
      capped: payer_pool_id === pool_id,
      payer_pool_id,
    });
    expect(await books.rows(text)).toEqual([
      row("low", "gpu", "h", "top"),
      row("low", "iterations", null, null),
      row("low", "pages", null, "middle"),
      row("low", "tokens", null, null),
      row("low", "usd", "USD", "top"),
      row("middle", "gpu", "s", "top"),
      row("middle", "iterations", null, null),
      row("middle", "pages", null, "middle"),
      row("middle", "tokens", null, null),
      row("middle", "usd", "USD", "top"),
    ]);
  });

  it("must name what the parent caps of tokens and iterations, and no resource it lacks", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top", { tokens: 100, iterations: 10 }));
    const under = (totals: Record<string, number | null>) => openPool("p", totals, { parent_pool_id: "top" });
    expect(await books.failed("LG001", under({ iterations: 1 }))).toBe("channels.tokens");
    expect(await books.failed("LG001", under({ tokens: 1 }))).toBe("channels.iterations");
    expect(await books.failed("LG001", under({ tokens: null, iterations: 1 }))).toBe("channels.tokens");
    expect(await books.failed("LG001", under({ tokens: 1, iterations: 1, gpu: 1 }))).toBe("channels.gpu");
    await books.ok(under({ tokens: 1, iterations: 1, gpu: null }));
    expect(await books.channel("p", "gpu")).toMatchObject({ capped: false, payer_pool_id: null });
  });

  it("does not open below nothing, below a leaf or below itself", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top", { tokens: 10 }), spawn("top", "leaf", { tokens: 1 }));
    for (const parent_pool_id of ["nowhere", "leaf", "p"]) {
      expect(await books.failed("LG002", openPool("p", { tokens: 1 }, { parent_pool_id }))).toBe("parent_pool_id");
    }
  });

  it("belongs to the run above, in which no other run is opened", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("run", { tokens: 10 }), openPool("part", { tokens: 5 }, { parent_pool_id: "run" }));
    expect(await books.node("part")).toMatchObject({ run_id: "run" });
    expect(await books.failed("LG001", openRun("inner", { tokens: 1 }, { parent_pool_id: "run" }))).toBe("run");
    expect(await books.failed("LG001", openRun("inner", { tokens: 1 }, { parent_pool_id: "part" }))).toBe("run");
  });

  it("is refused by the parent as a spawn would be, and leaves nothing", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("closed"),
      { op: "close_pool", pool_id: "closed" },
      openPool("frozen"),
      { op: "freeze", pool_id: "frozen" },
      openPool("past", {}, { deadline_ms: 1 }),
      openPool("flat", {}, { max_depth: 0 }),
      openPool("sealed", { usd: "1" }),
      meter("sealed", { usd_known: false }),
      openPool("plain", { tokens: 10 }),
    );
    await sleep(5);
    const under = (parent_pool_id: string, totals = {}) =>
      openPool("p", totals, { parent_pool_id, run: { label: "the run" } });
    await books.refused("pool-closed", under("closed"));
    await books.refused("pool-frozen", under("frozen"));
    await books.refused("deadline-passed", under("past"));
    await books.refused("depth-exceeded", under("flat"));
    await books.refused("usd-sealed", under("sealed"));
    await books.refused("usd-unbudgeted", under("plain", { tokens: 1, usd: "0.1" }));
    const shortfall = [{ channel: "tokens", requested: "11", free: "10" }];
    expect(await books.refused("budget-exhausted", under("plain", { tokens: 11 }))).toEqual({
      pool_id: "plain",
      seq: null,
      shortfall,
    });
    expect(await books.rows("select from ledger.nodes where tenant_id = $1 and node_id = 'p'")).toEqual([]);
    expect(await books.rows("select from ledger.pools where tenant_id = $1 and pool_id = 'p'")).toEqual([]);
    const refusals = await books.rows(
      "select pool_id, label, code, shortfall from ledger.refusals where tenant_id = $1 order by at desc limit 1",
    );
    expect(refusals).toEqual([{ pool_id: "plain", label: "the run", code: "budget-exhausted", shortfall }]);
  });

  it("uses up depth like a driver does", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", {}, { max_depth: 2 }),
      openPool("one", {}, { parent_pool_id: "top", max_depth: 5 }),
      openPool("two", {}, { parent_pool_id: "one" }),
    );
    await books.refused("depth-exceeded", openPool("three", {}, { parent_pool_id: "two" }));
    await books.refused("depth-exceeded", spawnDriver("two", "three"));
    await books.ok(spawn("two", "leaf"), openPool("flat", {}, { parent_pool_id: "one", max_depth: 0 }));
    await books.refused("depth-exceeded", spawnDriver("flat", "driver"));
    expect(
      await books.row("select depth, depth_left from ledger.pools where tenant_id = $1 and pool_id = 'one'"),
    ).toEqual({
      depth: 1,
      depth_left: 1,
    });
  });

  it("makes room first of lapsed holds that were never dispatched", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top", { tokens: 10 }), spawn("top", "forgotten", { tokens: 8 }, { lease_ms: 1 }));
    await sleep(5);
    await books.ok(openPool("child", { tokens: 9 }, { parent_pool_id: "top", operation_id: "open" }));
    expect(await books.node("forgotten")).toMatchObject({ status: "expired" });
    expect((await books.journal("top")).map(({ kind, operation_id }) => [kind, operation_id]).slice(2)).toEqual([
      ["expired", "open"],
      ["spawned", "open"],
    ]);
  });
});
