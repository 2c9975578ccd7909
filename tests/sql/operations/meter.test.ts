import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("meter %s", (way) => {
  it("debits free directly and keeps what the turn was", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", { tokens: 100, iterations: 5, usd: "1" }));
    const turn = { turn: 3, tool_calls: ["search", "search", "read"], detail: { note: [1, "x"] } };
    const whose = { provider: "acme", model: "large", provider_request_id: "req/1", purpose: "compaction" };
    expect(
      await books.ok(
        meter("r", { iterations: 1, input_tokens: 30, output_tokens: 10, usd: "0.25", ms: 12 }, { ...turn, ...whose }),
      ),
    ).toEqual({
      pool_id: "r",
      seq: 2,
    });
    expect(await books.balance("r", "tokens")).toEqual(["60", "0", "40"]);
    expect(await books.balance("r", "iterations")).toEqual(["4", "0", "1"]);
    expect(await books.balance("r", "usd")).toEqual(["0.75", "0", "0.25"]);
    expect((await books.journal("r")).at(-1)).toMatchObject({
      ...turn,
      ...whose,
      kind: "metered",
      node_id: "r",
      run_id: "r",
      ms: "12",
    });
  });

  it("is never refused for lack of funds, nor by freezing, nor by a seal", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10, usd: "1" }), meter("p", { usd_known: false }), {
      op: "freeze",
      pool_id: "p",
    });
    await books.ok(meter("p", { input_tokens: 25, usd: "3" }));
    expect(await books.balance("p", "tokens")).toEqual(["-15", "0", "25"]);
    expect(await books.channel("p", "usd")).toMatchObject({ free: "-2", committed: "3", uncertain: "0", sealed: true });
  });

  it("adds a row for a resource nobody has, in every pool of a payer's way", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { gpu: 5 }),
      openPool("mid", {}, { parent_pool_id: "top" }),
      spawnDriver("mid", "d"),
    );
    await books.ok(meter("d", { resources: { gpu: { amount: "1.25" }, pages: { amount: 3 } } }));
    expect(await books.channel("d", "gpu")).toMatchObject({ capped: false, committed: "1.25", payer_pool_id: "top" });
    expect(await books.channel("d", "pages")).toMatchObject({ capped: false, committed: "3", payer_pool_id: null });
    expect(await books.balance("top", "gpu")).toEqual(["3.75", "0", "1.25"]);
    expect((await books.journal("top")).at(-1)).toMatchObject({
      kind: "drawn",
      source_pool_id: "d",
      source_seq: "2",
      node_id: "d",
      iterations: null,
    });
    expect(await books.channel("mid", "gpu")).toMatchObject({ committed: "0" });
    await books.ok(settleDriver("d"), settleDriver("mid"));
    expect(await books.channel("mid", "gpu")).toMatchObject({ committed: "1.25" });
    expect(await books.channel("mid", "pages")).toMatchObject({ committed: "3", payer_pool_id: null });
    expect(await books.channel("top", "pages")).toMatchObject({ committed: "3" });
    expect(await books.balance("top", "gpu")).toEqual(["3.75", "0", "1.25"]);
  });

  it("draws dollars from the payer two levels above, while it happens", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("tenant", { usd: "10" }),
      openPool("project", { usd: "5" }, { parent_pool_id: "tenant" }),
      openRun("run", {}, { parent_pool_id: "project" }),
      spawnDriver("run", "d"),
    );
    await books.ok(meter("d", { input_tokens: 4, usd: "1.5" }, { operation_id: "m", purpose: "turn" }));
    expect(await books.balance("project", "usd")).toEqual(["3.5", "0", "1.5"]);
    expect(await books.channel("run", "usd")).toMatchObject({ committed: "0" });
    expect(await books.balance("tenant", "usd")).toEqual(["5", "5", "0"]);
    expect((await books.journal("project")).at(-1)).toMatchObject({
      kind: "drawn",
      operation_id: "m",
      source_pool_id: "d",
      node_id: "d",
      usd: null,
      charged_tokens: null,
    });
    await books.ok(settleDriver("d"), settleDriver("run"));
    expect(await books.channel("run", "usd")).toMatchObject({ committed: "1.5" });
    expect(await books.balance("project", "usd")).toEqual(["3.5", "0", "1.5"]);
    await books.ok(settleDriver("project"));
    expect(await books.balance("tenant", "usd")).toEqual(["8.5", "0", "1.5"]);
  });

  it("draws different channels from different payers", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("tenant", { tokens: 100, usd: "10", gpu: 9 }),
      openPool("project", { tokens: 50, usd: "5" }, { parent_pool_id: "tenant" }),
      openRun("run", { tokens: 20 }, { parent_pool_id: "project" }),
      meter("run", { input_tokens: 5, usd: "1", resources: { gpu: { amount: 2 } } }, { operation_id: "m" }),
    );
    expect(await books.balance("run", "tokens")).toEqual(["15", "0", "5"]);
    expect(await books.balance("project", "usd")).toEqual(["4", "0", "1"]);
    expect(await books.balance("tenant", "gpu")).toEqual(["7", "0", "2"]);
    expect(await books.balance("tenant", "usd")).toEqual(["5", "5", "0"]);
    const drawn = await books.rows(
      "select pool_id, channel, spent from ledger.postings where tenant_id = $1 and kind = 'drawn' and operation_id = 'm' order by 1",
    );
    expect(drawn).toEqual([
      { pool_id: "project", channel: "usd", spent: "1" },
      { pool_id: "tenant", channel: "gpu", spent: "2" },
    ]);
  });

  it("makes the payer uncertain by an estimate, and seals it by the unknown", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top", { usd: "10" }), openRun("run", {}, { parent_pool_id: "top" }));
    await books.ok(meter("run", { usd: "2", usd_known: false }));
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "8",
      committed: "2",
      uncertain: "2",
      measured: false,
      sealed: false,
    });
    await books.ok(meter("run", { usd_known: false }));
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "0",
      committed: "10",
      uncertain: "10",
      sealed: true,
    });
    expect(await books.channel("run", "usd")).toMatchObject({
      committed: "2",
      uncertain: "2",
      sealed: false,
      measured: false,
    });
    await books.ok(settleDriver("run"));
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "0",
      committed: "10",
      uncertain: "10",
      sealed: true,
    });
  });

  it("is booked late in a closed top pool, which keeps its total", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), settleDriver("p"), meter("p", { input_tokens: 12 }));
    expect(await books.channel("p", "tokens")).toMatchObject({ total: "10", free: "-2", committed: "12" });
    expect((await books.kinds("p")).slice(-2)).toEqual(["closed", "metered"]);
  });

  it("goes up from a closed pool to the first open one", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, usd: "5" }),
      spawnDriver("r", "d", { tokens: 40, usd: "2" }),
      spawnDriver("d", "dd", { tokens: 20 }),
      settleDriver("dd"),
      settleDriver("d"),
    );
    await books.ok(meter("dd", { input_tokens: 6, usd: "0.5" }, { operation_id: "late" }));
    expect(await books.channel("dd", "tokens")).toMatchObject({ total: "6", free: "0", committed: "6" });
    expect(await books.channel("d", "tokens")).toMatchObject({ total: "6", free: "0", committed: "6" });
    expect(await books.balance("r", "tokens")).toEqual(["94", "0", "6"]);
    expect(await books.channel("d", "usd")).toMatchObject({ total: "0.5", free: "0", committed: "0.5" });
    expect(await books.balance("r", "usd")).toEqual(["4.5", "0", "0.5"]);
    const late = await books.rows(
      "select pool_id, kind, node_id, source_pool_id, charged_tokens, usd from ledger.journal where tenant_id = $1 and operation_id = 'late' and kind <> 'drawn' order by pool_id desc",
    );
    const row = (pool_id: string, kind: string, node_id: string, source_pool_id: string | null) => ({
      ...{ pool_id, kind, node_id, source_pool_id },
      ...{ charged_tokens: "6", usd: "0.5" },
    });
    expect(late).toEqual([
      row("r", "corrected", "d", "d"),
      row("dd", "metered", "dd", null),
      row("d", "corrected", "dd", "dd"),
    ]);
    const funded = await books.rows(
      "select pool_id, channel, funded, spent from ledger.postings where tenant_id = $1 and operation_id = 'late' and pool_id in ('d', 'dd') and funded <> 0 order by 1, 2",
    );
    expect(funded).toEqual([
      { pool_id: "d", channel: "tokens", funded: "6", spent: "6" },
      { pool_id: "d", channel: "usd", funded: "0.5", spent: "0.5" },
      { pool_id: "dd", channel: "tokens", funded: "6", spent: "6" },
    ]);
  });

  it.each([
    [{ spend: undefined }, "spend"],
    [{ turn: -1 }, "turn"],
    [{ turn: 2147483648 }, "turn"],
    [{ tool_calls: "search" }, "tool_calls"],
    [{ tool_calls: [1] }, "tool_calls"],
    [{ detail: null }, "detail"],
    [{ purpose: "" }, "purpose"],
    [{ node_id: "x" }, "node_id"],
    [{ tags: { a: 1 } }, "tags"],
    [{ tags: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, "v"])) }, "tags"],
    [{ tags: { [`k${"x".repeat(64)}`]: "v" } }, "tags"],
    [{ tags: { k: "v".repeat(257) } }, "tags"],
    [{ tags: { "": "v" } }, "tags"],
  ])("does not take %j", async (change, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"));
    expect(await books.failed("LG001", { ...meter("p"), ...change })).toBe(path);
  });

  it("needs a pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "leaf"));
    for (const poolId of ["nowhere", "leaf"]) expect(await books.failed("LG002", meter(poolId))).toBe("pool_id");
  });
});
