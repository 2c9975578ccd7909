import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("open_pool %s", (way) => {
  it("makes a row for tokens, iterations and usd whatever is named, and one for each resource", async () => {
    const books = await ledger.open(way);
    const result = await books.ok({
      op: "open_pool",
      pool_id: "p",
      channels: { tokens: { total: "1000" }, gpu_seconds: { total: "1.5", unit: "s" }, emails: {} },
    });
    expect(result).toEqual({ pool_id: "p", seq: 1, node_id: "p" });
    const rows = await books.rows(
      "select channel, unit, capped, total, free, reserved, committed, payer_pool_id from ledger.channels where tenant_id = $1 and pool_id = 'p' order by channel",
    );
    const none = {
      unit: null,
      capped: false,
      total: null,
      free: null,
      reserved: "0",
      committed: "0",
      payer_pool_id: null,
    };
    expect(rows).toEqual([
      { channel: "emails", ...none },
      { channel: "gpu_seconds", ...none, unit: "s", capped: true, total: "1.5", free: "1.5", payer_pool_id: "p" },
      { channel: "iterations", ...none },
      { channel: "tokens", ...none, capped: true, total: "1000", free: "1000", payer_pool_id: "p" },
      { channel: "usd", ...none },
    ]);
    expect(await books.journal("p")).toMatchObject([{ seq: "1", kind: "opened", node_id: "p", source_pool_id: null }]);
  });

  it("makes the node that owns the pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), openRun("r", {}, { run: { label: "a run" } }));
    expect(await books.node("p")).toMatchObject({
      driver: true,
      status: "pending",
      label: "p",
      parent_node_id: null,
      run_id: null,
    });
    expect(await books.node("r")).toMatchObject({ driver: true, label: "a run", run_id: "r" });
  });

  it("refuses an id that any node has", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }),
      spawn("p", "leaf", { tokens: 1 }),
      spawnDriver("p", "driver", { tokens: 1 }),
    );
    for (const id of ["p", "leaf", "driver"]) expect(await books.failed("LG011", openPool(id))).toBe("pool_id");
    const under = openPool("leaf", { tokens: 1 }, { parent_pool_id: "p" });
    expect(await books.failed("LG011", under)).toBe("pool_id");
    expect(await books.balance("p", "tokens")).toEqual(["8", "2", "0"]);
  });

  it("marks a run and says where it stands in an experiment", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", {}, { run: { label: "l", experiment: "e", arm: "a", task: "t", replicate: 3 } }));
    await books.ok(openRun("s", {}, { run: { label: "l", experiment: "e", arm: "a", replicate: "three" } }));
    const text =
      "select label, experiment, arm, task, replicate, outcome, infra, resolved from ledger.runs where tenant_id = $1 order by run_id";
    const common = { label: "l", experiment: "e", arm: "a", outcome: null, infra: false, resolved: null };
    expect(await books.rows(text)).toEqual([
      { ...common, task: "t", replicate: "3" },
      { ...common, task: null, replicate: "three" },
    ]);
  });

  it.each([
    [{ label: "l", experiment: "e" }, "run.arm"],
    [{ label: "l", arm: "a" }, "run.arm"],
    [{ label: "l", task: "t" }, "run.experiment"],
    [{ label: "l", replicate: 1 }, "run.experiment"],
    [{ label: "l", experiment: "e", arm: "a", replicate: 1.5 }, "run.replicate"],
    [{ experiment: "e", arm: "a" }, "run.label"],
    [{ label: "l", kind: "x" }, "run.kind"],
    ["l", "run"],
  ])("does not take the run %j", async (run, path) => {
    const books = await ledger.open(way);
    expect(await books.failed("LG001", openPool("p", {}, { run }))).toBe(path);
    expect(await books.rows("select from ledger.nodes where tenant_id = $1 and node_id = 'p'")).toEqual([]);
  });

  it.each([
    [{ channels: { tokens: { total: 1.5 } } }, "channels.tokens.total"],
    [{ channels: { tokens: { total: -1 } } }, "channels.tokens.total"],
    [{ channels: { usd: { total: "0.0000000000001" } } }, "channels.usd.total"],
    [{ channels: { usd: { total: "1000000000000000" } } }, "channels.usd.total"],
    [{ channels: { usd: { cap: 1 } } }, "channels.usd.cap"],
    [{ channels: { usd: 5 } }, "channels.usd"],
    [{ channels: [] }, "channels"],
    [{ channels: undefined }, "channels"],
    [{ deadline_ms: 0 }, "deadline_ms"],
    [{ max_depth: -1 }, "max_depth"],
    [{ unknown_usd: "ignore" }, "unknown_usd"],
    [{ token_charge: "output" }, "token_charge"],
    [{ parent: "p" }, "parent"],
    [{ pool_id: "" }, "pool_id"],
    [{ pool_id: "a\nb" }, "pool_id"],
    [{ pool_id: "x".repeat(201) }, "pool_id"],
  ])("does not take %j", async (change, path) => {
    const books = await ledger.open(way);
    expect(await books.failed("LG001", { ...openPool("p"), ...change })).toBe(path);
  });

  it("keeps a deadline as an instant, the earlier of its own and the parent's", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { tokens: 10 }, { deadline_ms: 60_000 }),
      openPool("sooner", { tokens: 1 }, { parent_pool_id: "top", deadline_ms: 30_000 }),
      openPool("later", { tokens: 1 }, { parent_pool_id: "top", deadline_ms: 90_000 }),
      openPool("without", { tokens: 1 }, { parent_pool_id: "top" }),
      spawnDriver("sooner", "driver", { tokens: 0 }),
    );
    const deadline = async (poolId: string) =>
      books.row(
        `select p.deadline_at = t.opened_at + interval '60 s' as tops, p.deadline_at = o.opened_at + interval '30 s' as sooner
         from ledger.pools p
           join ledger.pools t on t.tenant_id = p.tenant_id and t.pool_id = 'top'
           join ledger.pools o on o.tenant_id = p.tenant_id and o.pool_id = 'sooner'
         where p.tenant_id = $1 and p.pool_id = $2`,
        poolId,
      );
    expect(await deadline("top")).toEqual({ tops: true, sooner: false });
    expect(await deadline("sooner")).toEqual({ tops: false, sooner: true });
    expect(await deadline("later")).toEqual({ tops: true, sooner: false });
    expect(await deadline("without")).toEqual({ tops: true, sooner: false });
    expect(await deadline("driver")).toEqual({ tops: false, sooner: true });
  });

  it("inherits what to do about unknown dollars and how tokens are charged", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { tokens: 10, usd: "1" }, { unknown_usd: "flag", token_charge: "uncached" }),
      openPool("same", { tokens: 1 }, { parent_pool_id: "top", token_charge: "uncached" }),
      openPool("strict", { tokens: 1 }, { parent_pool_id: "top", unknown_usd: "seal" }),
      spawnDriver("strict", "driver", { tokens: 1 }),
      openPool("plain"),
    );
    const text =
      "select pool_id, unknown_usd, token_charge from ledger.pools where tenant_id = $1 and pool_id not like '~%' order by pool_id";
    expect(await books.rows(text)).toEqual([
      { pool_id: "driver", unknown_usd: "seal", token_charge: "uncached" },
      { pool_id: "plain", unknown_usd: "seal", token_charge: "total" },
      { pool_id: "same", unknown_usd: "flag", token_charge: "uncached" },
      { pool_id: "strict", unknown_usd: "seal", token_charge: "uncached" },
      { pool_id: "top", unknown_usd: "flag", token_charge: "uncached" },
    ]);
    const mixed = openPool("mixed", { tokens: 1 }, { parent_pool_id: "top", token_charge: "total" });
    expect(await books.failed("LG001", mixed)).toBe("token_charge");
  });

  it("gives a pool and everything below it its tags, own ones over inherited ones", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { tokens: 10 }, { tags: { team: "search", tier: "1" } }),
      openPool("child", { tokens: 5 }, { parent_pool_id: "top", tags: { tier: "2" } }),
      spawn("child", "leaf", { tokens: 1 }, { tags: { step: "plan" } }),
      meter("child", { input_tokens: 1 }, { tags: { team: "other" } }),
    );
    expect((await books.node("child")).tags).toEqual({ team: "search", tier: "2" });
    expect((await books.node("leaf")).tags).toEqual({ team: "search", tier: "2", step: "plan" });
    expect((await books.journal("child")).map(({ kind, tags }) => [kind, tags])).toEqual([
      ["opened", { team: "search", tier: "2" }],
      ["spawned", { team: "search", tier: "2", step: "plan" }],
      ["metered", { team: "other", tier: "2" }],
    ]);
  });
});
