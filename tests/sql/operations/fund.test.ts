import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const fund = (poolId: string, amounts: unknown, more = {}) => ({ op: "fund", pool_id: poolId, amounts, ...more });

describe.each(WAYS)("fund %s", (way) => {
  it("moves total and free together, up and down to what is free", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10, usd: "1", gpu: 2 }),
      spawn("p", "a", { tokens: 4 }),
      meter("p", { usd: "0.25" }),
    );
    expect(await books.ok(fund("p", { tokens: 5, usd: "-0.75", gpu: "0.5" }))).toEqual({ pool_id: "p", seq: 4 });
    expect(await books.channel("p", "tokens")).toMatchObject({ total: "15", free: "11", reserved: "4" });
    expect(await books.channel("p", "usd")).toMatchObject({ total: "0.25", free: "0", committed: "0.25" });
    expect(await books.channel("p", "gpu")).toMatchObject({ total: "2.5", free: "2.5" });
    expect((await books.journal("p")).at(-1)).toMatchObject({ kind: "funded", node_id: "p" });
    const text =
      "select channel, funded, spent from ledger.postings where tenant_id = $1 and pool_id = 'p' and kind = 'funded' order by 1";
    expect(await books.rows(text)).toEqual([
      { channel: "gpu", funded: "0.5", spent: "0" },
      { channel: "tokens", funded: "5", spent: "0" },
      { channel: "usd", funded: "-0.75", spent: "0" },
    ]);
  });

  it("never takes back what is not free: everything that is short is listed, and nothing moves", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10, iterations: 3, usd: "1" }),
      spawn("p", "a", { tokens: 4, iterations: 3 }),
    );
    const result = await books.refused("not-free", fund("p", { tokens: -7, iterations: "-1", usd: "5" }));
    expect(result.shortfall).toEqual([
      { channel: "tokens", requested: "7", free: "6" },
      { channel: "iterations", requested: "1", free: "0" },
    ]);
    expect(await books.channel("p", "usd")).toMatchObject({ total: "1" });
    await books.ok(fund("p", { tokens: -6 }));
    expect(await books.balance("p", "tokens")).toEqual(["0", "4", "0"]);
  });

  it("fills a pool that is below zero, and takes nothing more from it", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), meter("p", { input_tokens: 15 }));
    expect(await books.refused("not-free", fund("p", { tokens: -1 }))).toMatchObject({
      shortfall: [{ requested: "1", free: "-5" }],
    });
    await books.ok(fund("p", { tokens: 0 }), fund("p", { tokens: 3 }));
    expect(await books.balance("p", "tokens")).toEqual(["-2", "0", "15"]);
    await books.ok(fund("p", { tokens: 2 }));
    await books.ok(spawn("p", "a", { tokens: 0 }));
  });

  it("gives sealed dollars to the seal, and keeps what was given when it opens", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { usd: "1" }),
      meter("p", { usd: "0.4" }),
      meter("p", { usd_known: false }, { operation_id: "m" }),
    );
    await books.ok(fund("p", { usd: "2" }));
    expect(await books.channel("p", "usd")).toMatchObject({
      total: "3",
      free: "0",
      committed: "3",
      uncertain: "2.6",
      sealed: true,
    });
    expect(await books.refused("not-free", fund("p", { usd: "-1" }))).toMatchObject({
      shortfall: [{ channel: "usd", requested: "1", free: "0" }],
    });
    await books.ok({
      op: "correct",
      of: "m",
      spend: { iterations: 0, input_tokens: 0, output_tokens: 0, usd: "0.1" },
      reason: "r",
    });
    expect(await books.channel("p", "usd")).toMatchObject({
      total: "3",
      free: "2.5",
      committed: "0.5",
      uncertain: "0",
      sealed: false,
    });
  });

  it("is for pools without a parent", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { tokens: 10 }),
      openPool("child", { tokens: 5 }, { parent_pool_id: "top" }),
      spawnDriver("top", "d", { tokens: 1 }),
    );
    for (const id of ["child", "d"]) expect(await books.failed("LG001", fund(id, { tokens: 1 }))).toBe("pool_id");
    await books.ok(settleDriver("d"));
    expect(await books.failed("LG001", fund("d", { tokens: 1 }))).toBe("pool_id");
    expect(await books.failed("LG002", fund("nowhere", { tokens: 1 }))).toBe("pool_id");
  });

  it("is for channels that have a total", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10, usd: null }));
    expect(await books.failed("LG001", fund("p", { tokens: 1, usd: "1" }))).toBe("amounts.usd");
    expect(await books.failed("LG001", fund("p", { gpu: 1 }))).toBe("amounts.gpu");
    expect(await books.balance("p", "tokens")).toEqual(["10", "0", "0"]);
  });

  it("is refused by a closed pool, and works in a frozen one", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10 }),
      { op: "freeze", pool_id: "p" },
      fund("p", { tokens: 1 }),
      settleDriver("p"),
    );
    expect(await books.refused("pool-closed", fund("p", { tokens: 1 }))).toEqual({ pool_id: "p", seq: null });
    await books.refused("pool-closed", fund("p", { tokens: -99 }));
    expect(await books.failed("LG001", fund("p", { usd: 1 }))).toBe("amounts.usd");
  });

  it.each([
    [{ tokens: 1.5 }, "amounts.tokens"],
    [{ tokens: null }, "amounts.tokens"],
    [{ usd: "0.0000000000001" }, "amounts.usd"],
    [{ usd: "1000000000000000" }, "amounts.usd"],
    [{ tokens: 9007199254740992 }, "amounts.tokens"],
    [[], "amounts"],
    [undefined, "amounts"],
  ])("does not take the amounts %j", async (amounts, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 1, usd: 1 }));
    expect(await books.failed("LG001", fund("p", amounts))).toBe(path);
  });

  it("keeps a total above 2^53 exact, and never below zero", async () => {
    const books = await ledger.open(way);
    const most = Number.MAX_SAFE_INTEGER;
    await books.ok(
      openPool("p", { tokens: most }),
      fund("p", { tokens: most }),
      meter("p", { input_tokens: most, output_tokens: 3 }),
    );
    expect(await books.channel("p", "tokens")).toMatchObject({
      total: "18014398509481982",
      committed: "9007199254740994",
      free: "9007199254740988",
    });
    await books.refused("not-free", fund("p", { tokens: -most }));
  });

  it("takes no amounts at all for an answer", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 1 }));
    expect(await books.ok(fund("p", {}))).toMatchObject({ pool_id: "p" });
    expect(await books.balance("p", "tokens")).toEqual(["1", "0", "0"]);
  });
});
