import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const close = (poolId: string, more = {}) => ({ op: "close_pool", pool_id: poolId, ...more });

describe.each(WAYS)("close_pool %s", (way) => {
  it("leaves the row of a top pool as it is, and returns nothing", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r", { tokens: 10, usd: "1" }), meter("r", { input_tokens: 3, usd: "0.5" }));
    expect(await books.ok(close("r"))).toEqual({ pool_id: "r", seq: 3, returned: {} });
    expect(await books.channel("r", "tokens")).toMatchObject({ total: "10", free: "7", committed: "3" });
    expect(await books.node("r")).toMatchObject({ status: "done", outcome: "done" });
    expect(await books.row("select outcome from ledger.runs where tenant_id = $1")).toEqual({ outcome: "done" });
    expect((await books.journal("r")).at(-1)).toMatchObject({ kind: "closed", node_id: "r", outcome: "done" });
  });

  it("settles the node of a driver's pool as done", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, usd: "5", gpu: 4 }),
      spawnDriver("p", "d", { tokens: 50, usd: "2", gpu: 1 }),
      meter("d", { input_tokens: 60, usd: "0.5" }),
    );
    const result = await books.ok(close("d", { operation_id: "c" }));
    expect(result).toEqual({ pool_id: "p", seq: 3, returned: { tokens: "-10", usd: "1.5", gpu: "1" } });
    expect(await books.balance("p", "tokens")).toEqual(["40", "0", "60"]);
    expect(await books.balance("p", "gpu")).toEqual(["4", "0", "0"]);
    expect(await books.node("d")).toMatchObject({ status: "done" });
    const posted = await books.rows(
      "select pool_id, kind, channel, funded, held, spent from ledger.postings where tenant_id = $1 and operation_id = 'c' order by 1, 3",
    );
    expect(posted).toEqual([
      { pool_id: "d", kind: "closed", channel: "gpu", funded: "-1", held: "0", spent: "0" },
      { pool_id: "d", kind: "closed", channel: "tokens", funded: "10", held: "0", spent: "0" },
      { pool_id: "d", kind: "closed", channel: "usd", funded: "-1.5", held: "0", spent: "0" },
      { pool_id: "p", kind: "settled", channel: "gpu", funded: "0", held: "-1", spent: "0" },
      { pool_id: "p", kind: "settled", channel: "tokens", funded: "0", held: "-50", spent: "60" },
      { pool_id: "p", kind: "settled", channel: "usd", funded: "0", held: "-2", spent: "0.5" },
    ]);
  });

  it("closes a pool that was opened under a parent like a driver's", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { tokens: 100 }),
      openRun("r", { tokens: 40 }, { parent_pool_id: "top" }),
      meter("r", { input_tokens: 5 }),
    );
    expect(await books.ok(close("r"))).toMatchObject({ pool_id: "top", returned: { tokens: "35" } });
    expect(await books.balance("top", "tokens")).toEqual(["95", "0", "5"]);
    expect(await books.row("select outcome from ledger.runs where tenant_id = $1")).toEqual({ outcome: "done" });
  });

  it("closes a frozen pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), { op: "freeze", pool_id: "p" }, close("p"));
    await books.refused("pool-closed", spawn("p", "a", { tokens: 1 }));
  });

  it("ends once, and not over open holds", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawnDriver("p", "d"), spawn("d", "a"));
    expect(await books.failed("LG007", close("d"))).toBe("pool_id");
    expect(await books.failed("LG007", close("p"))).toBe("pool_id");
    await books.ok(settle("a"), close("d"), close("p"));
    for (const id of ["d", "p"]) expect(await books.failed("LG004", close(id))).toBe("pool_id");
    expect(await books.failed("LG004", settleDriver("d"))).toBe("node_id");
  });

  it("needs a pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "leaf"));
    for (const id of ["nowhere", "leaf"]) expect(await books.failed("LG002", close(id))).toBe("pool_id");
    expect(await books.failed("LG001", close("p", { outcome: "done" }))).toBe("outcome");
  });

  it("passes the uncertain part up", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, usd: "5" }),
      spawnDriver("p", "d", { tokens: 50, usd: "2" }),
      meter("d", { usd: "0.5", usd_known: false, tokens_known: false, input_tokens: 5 }),
      close("d"),
    );
    expect(await books.channel("p", "usd")).toMatchObject({
      committed: "0.5",
      uncertain: "0.5",
      measured: false,
      sealed: false,
    });
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "5", uncertain: "0", measured: false });
    expect((await books.journal("p")).at(-1)).toMatchObject({
      kind: "settled",
      usd_known: false,
      tokens_known: false,
      uncertain_usd: "0.5",
    });
  });
});
