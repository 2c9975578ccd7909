import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("spawn %s", (way) => {
  const derived = (poolId: string, more = {}) => ({ op: "spawn", pool_id: poolId, label: "l", budget: {}, ...more });

  it("counts children in derived ids: chosen ids count, refused ones do not", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { usd: "1" }));
    expect(await books.ok(derived("p"))).toEqual({ pool_id: "p", seq: 2, node_id: "p:s0" });
    expect((await books.ok(spawn("p", "chosen"))).node_id).toBe("chosen");
    await books.refused("budget-exhausted", derived("p", { budget: { usd: "2" } }));
    await books.failed("LG001", derived("p", { budget: { gpu: "2" } }));
    expect((await books.ok(derived("p", { driver: true }))).node_id).toBe("p:s2");
    expect((await books.ok(derived("p:s2"))).node_id).toBe("p:s2:s0");
  });

  it("hands its pool's tags down through drivers, whether these have their own or not", async () => {
    const books = await ledger.open(way);
    const own = { tags: { b: "2" } };
    await books.ok(openPool("p", {}, { tags: { a: "1" } }), openPool("q"));
    for (const pool of ["p", "q"]) {
      await books.ok(
        spawnDriver(pool, `${pool}:d`),
        spawn(`${pool}:d`, `${pool}:bare`),
        spawn(`${pool}:d`, `${pool}:own`, {}, own),
      );
    }
    const tags = async (id: string) => (await books.node(id)).tags;
    expect([await tags("p:d"), await tags("p:bare"), await tags("p:own")]).toEqual([
      { a: "1" },
      { a: "1" },
      { a: "1", b: "2" },
    ]);
    expect([await tags("q:d"), await tags("q:bare"), await tags("q:own")]).toEqual([null, null, { b: "2" }]);
    expect((await books.journal("q:d")).map((row) => row.tags)).toEqual([null, null, { b: "2" }]);
  });

  it("does not step over a derived id that somebody chose", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "p:s1"));
    expect(await books.failed("LG011", derived("p"))).toBeTypeOf("string");
    await books.ok(spawn("p", "other"));
    expect((await books.ok(derived("p"))).node_id).toBe("p:s2");
  });

  it("derives no id that is too long to be named", async () => {
    const books = await ledger.open(way);
    const poolId = "x".repeat(200);
    await books.ok(openPool(poolId));
    const answer = await books.do(derived(poolId));
    if (answer.status === "ok") await books.ok(settle(String(answer.result.node_id)));
    else expect(answer).toMatchObject({ status: "error", code: "LG001" });
  });

  it("finds a chosen id taken before it looks at the key", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), spawn("p", "a", { tokens: 1 }, { key: "k" }));
    expect(await books.failed("LG011", spawn("p", "a", { tokens: 1 }, { key: "k" }))).toBe("node_id");
    expect(await books.failed("LG011", spawn("p", "p", { tokens: 99 }))).toBe("node_id");
  });

  it.each([
    "it's",
    'say "hi"',
    "ünïcødé 東京 🧪",
    "a/b/../c",
    "x:s0:s1",
    "percent % _ \\",
    "null",
    " ",
    "$1; drop table x",
  ])("takes the id %j as it is", async (id) => {
    const books = await ledger.open(way);
    await books.ok(
      openPool(id, { tokens: 10 }),
      spawnDriver(id, `${id}/d`, { tokens: 5 }),
      spawn(`${id}/d`, `${id}/l`, { tokens: 2 }),
    );
    await books.ok(settle(`${id}/l`, { input_tokens: 1 }, { operation_id: id }));
    expect((await books.journal(`${id}/d`)).at(-1)).toMatchObject({
      kind: "settled",
      node_id: `${id}/l`,
      operation_id: id,
    });
    expect(await books.balance(`${id}/d`, "tokens")).toEqual(["4", "0", "1"]);
    expect((await books.ok(derived(id, { budget: { tokens: 1 } }))).node_id).toBe(`${id}:s1`);
  });

  it("must name what the pool caps of tokens and iterations, and no resource it lacks", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10, iterations: 10, usd: "1", gpu: 5 }));
    expect(await books.failed("LG001", spawn("p", "a", {}))).toBe("budget.tokens");
    expect(await books.failed("LG001", spawn("p", "a", { tokens: 1 }))).toBe("budget.iterations");
    expect(await books.failed("LG001", spawn("p", "a", { tokens: 1, iterations: 1, cpu: 1, bpu: 1 }))).toBe(
      "budget.bpu",
    );
    await books.ok(spawn("p", "a", { tokens: 1, iterations: 1 }));
    await books.ok(spawn("p", "b", { tokens: 1, iterations: 1, gpu: "0.5" }));
    expect((await books.node("b")).hold).toEqual({ tokens: 1, iterations: 1, gpu: 0.5 });
  });

  it("holds nothing where the pool caps nothing, and the ceiling still counts", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { usd: "1" }), spawn("p", "a", { tokens: 5, iterations: 1, usd: "0.5" }));
    expect((await books.node("a")).hold).toEqual({ usd: 0.5 });
    expect(await books.channel("p", "tokens")).toMatchObject({ reserved: "0", capped: false });
    const { violations } = await books.ok(settle("a", { input_tokens: 6, iterations: 2, usd: "0.5" }));
    expect(violations).toEqual([
      { channel: "tokens", reserved: "5", spent: "6" },
      { channel: "iterations", reserved: "1", spent: "2" },
    ]);
  });

  it("lists everything that is short: tokens, iterations, usd, resources by name", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { zinc: 1, apples: 1, usd: "0.5", iterations: 1, tokens: 10, milk: 5 }));
    const result = await books.refused(
      "budget-exhausted",
      spawn("p", "a", { tokens: 11, iterations: 2, usd: "0.6", zinc: 2, apples: 3, milk: 5 }),
    );
    expect(result).toEqual({
      pool_id: "p",
      seq: null,
      shortfall: [
        { channel: "tokens", requested: "11", free: "10" },
        { channel: "iterations", requested: "2", free: "1" },
        { channel: "usd", requested: "0.6", free: "0.5" },
        { channel: "apples", requested: "3", free: "1" },
        { channel: "zinc", requested: "2", free: "1" },
      ],
    });
    expect(await books.kinds("p")).toEqual(["opened"]);
  });

  it("grants exactly what is free, then nothing, and not even nothing once free is negative", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10, gpu: 1 }),
      spawn("p", "all", { tokens: 10, gpu: 1 }),
      spawn("p", "none", { tokens: 0 }),
    );
    expect(await books.balance("p", "tokens")).toEqual(["0", "10", "0"]);
    await books.ok(meter("p", { resources: { gpu: { amount: "0.000000000001" } } }));
    expect(await books.refused("budget-exhausted", spawn("p", "more", { tokens: 0 }))).toMatchObject({
      shortfall: [{ channel: "gpu", requested: "0", free: "-0.000000000001" }],
    });
  });

  it("asks the payer above, declared or not", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { usd: "1", gpu: 2 }),
      openPool("mid", {}, { parent_pool_id: "top" }),
      spawnDriver("mid", "driver"),
      spawn("driver", "gpu-user", { gpu: 2 }),
    );
    const short = [{ channel: "gpu", requested: "3", free: "2" }];
    expect(await books.refused("budget-exhausted", spawn("driver", "x", { gpu: 3 }))).toMatchObject({
      shortfall: short,
    });
    await books.ok(meter("driver", { usd: "1.25" }));
    expect(await books.refused("budget-exhausted", spawn("driver", "x"))).toMatchObject({
      shortfall: [{ channel: "usd", requested: "0", free: "-0.25" }],
    });
  });

  it("refuses dollars of a pool that caps none, also where one above does", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top", { usd: "1" }), openPool("mid", {}, { parent_pool_id: "top" }));
    await books.refused("usd-unbudgeted", spawn("mid", "x", { usd: "0.1" }));
    await books.ok(spawn("mid", "zero", { usd: 0 }));
    await books.refused("usd-unbudgeted", spawn("mid", "x", { usd: "9" }));
  });

  it("is refused while the payer's dollars are sealed, above or here", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { usd: "1" }),
      openPool("mid", {}, { parent_pool_id: "top" }),
      openPool("capped", { usd: "0.5" }, { parent_pool_id: "top" }),
      meter("mid", { usd_known: false }),
    );
    await books.refused("usd-sealed", spawn("mid", "x"));
    await books.refused("usd-sealed", spawn("top", "x"));
    await books.ok(spawn("capped", "x", { usd: "0.5" }));
  });

  it("is refused in a frozen pool and below one, until it is thawed", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("top"), spawnDriver("top", "d1"), spawnDriver("d1", "d2"), { op: "freeze", pool_id: "top" });
    for (const poolId of ["top", "d1", "d2"]) await books.refused("pool-frozen", spawn(poolId, "x"));
    await books.ok({ op: "freeze", pool_id: "d1" }, { op: "thaw", pool_id: "top" });
    await books.refused("pool-frozen", spawn("d2", "x"));
    await books.ok(spawn("top", "x"), { op: "thaw", pool_id: "d1" }, spawn("d2", "y"));
  });

  it("is refused after the deadline, which drivers inherit", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", {}, { deadline_ms: 400 }), spawnDriver("p", "d"), spawn("d", "early"));
    await sleep(450);
    await books.refused("deadline-passed", spawn("d", "x"));
    await books.refused("deadline-passed", spawn("p", "x"));
    await books.ok(settle("early", { input_tokens: 3 }), meter("d", { input_tokens: 1 }));
  });

  it("is refused where drivers may not go deeper", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", {}, { max_depth: 1 }), spawnDriver("p", "d"));
    await books.refused("depth-exceeded", spawnDriver("d", "deeper"));
    await books.ok(spawn("d", "leaf"));
    await books.ok(openPool("flat", {}, { max_depth: 0 }), spawn("flat", "flat-leaf"));
    await books.refused("depth-exceeded", spawnDriver("flat", "deeper"));
  });

  it.each([
    [{ label: undefined }, "label"],
    [{ label: "" }, "label"],
    [{ budget: undefined }, "budget"],
    [{ budget: [] }, "budget"],
    [{ budget: { tokens: "1.5" } }, "budget.tokens"],
    [{ budget: { tokens: 9007199254740992 } }, "budget.tokens"],
    [{ budget: { usd: "-1" } }, "budget.usd"],
    [{ budget: { usd: "1e3" } }, "budget.usd"],
    [{ budget: { "": 1 } }, "budget."],
    [{ budget: { "!": 1 } }, "budget.!"],
    [{ budget: { "*": 1 } }, "budget.*"],
    [{ lease_ms: 0 }, "lease_ms"],
    [{ lease_ms: 1.5 }, "lease_ms"],
    [{ lease_ms: "100" }, "lease_ms"],
    [{ driver: "yes" }, "driver"],
    [{ driver: null }, "driver"],
    [{ key: "" }, "key"],
    [{ node_id: 7 }, "node_id"],
    [{ parent: "p" }, "parent"],
  ])("does not take %j", async (change, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"));
    expect(await books.failed("LG001", { ...spawn("p", "a"), ...change })).toBe(path);
  });

  it("needs a pool: an unknown id and a leaf have none", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "leaf"));
    for (const poolId of ["nowhere", "leaf"]) expect(await books.failed("LG002", spawn(poolId, "x"))).toBe("pool_id");
  });
});

describe.each(WAYS)("spawn of a driver %s", (way) => {
  it("opens a pool funded by exactly its reservation", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("run", { tokens: 100, iterations: 10, usd: "5", gpu: 4, pages: null }));
    const result = await books.ok(
      spawnDriver(
        "run",
        "d",
        { tokens: 40, iterations: 4, usd: "1.5", pages: 3 },
        { operation_id: "s", runtime: "node" },
      ),
    );
    expect(result).toEqual({ pool_id: "run", seq: 2, node_id: "d" });
    expect(await books.node("d")).toMatchObject({
      driver: true,
      run_id: "run",
      runtime: "node",
      hold: { tokens: 40, iterations: 4, usd: 1.5 },
    });
    expect(await books.balance("run", "tokens")).toEqual(["60", "40", "0"]);
    expect(await books.balance("d", "tokens")).toEqual(["40", "0", "0"]);
    expect(await books.balance("d", "usd")).toEqual(["1.5", "0", "0"]);
    expect(await books.channel("d", "pages")).toMatchObject({ capped: true, total: "3", payer_pool_id: "d" });
    expect(await books.channel("d", "gpu")).toMatchObject({ capped: false, payer_pool_id: "run" });
    expect(await books.journal("d")).toMatchObject([
      { kind: "opened", operation_id: "s", node_id: "d", source_pool_id: "run", source_seq: "2", run_id: "run" },
    ]);
    const posted = await books.rows(
      "select channel, funded from ledger.postings where tenant_id = $1 and pool_id = 'd' order by 1",
    );
    expect(posted).toEqual([
      { channel: "iterations", funded: "4" },
      { channel: "pages", funded: "3" },
      { channel: "tokens", funded: "40" },
      { channel: "usd", funded: "1.5" },
    ]);
  });

  it("is refused together with its pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 5 }));
    await books.refused("budget-exhausted", spawnDriver("p", "d", { tokens: 6 }));
    expect(await books.failed("LG002", meter("d"))).toBe("pool_id");
    await books.ok(spawnDriver("p", "d", { tokens: 5 }), meter("d"));
  });
});
