/** What a settlement does not know, or nobody declared. */
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, settle, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("settle of a leaf %s", (way) => {
  it("takes an estimate in full, all of it uncertain, and seals nothing", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { usd: "1" }), spawn("p", "a", { usd: "0.2" }));
    const result = await books.ok(settle("a", { usd: "0.3", usd_known: false }));
    expect(result).toMatchObject({
      spend: { usd: "0.3", usd_known: false },
      violations: [{ channel: "usd", reserved: "0.2", spent: "0.3" }],
    });
    expect(await books.channel("p", "usd")).toMatchObject({
      free: "0.7",
      committed: "0.3",
      uncertain: "0.3",
      sealed: false,
      measured: false,
    });
  });

  it("charges the declared ceiling for unknown dollars, as uncertain", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { usd: "1" }), spawn("p", "a", { usd: "0.2" }), spawn("p", "b", { usd: "0" }));
    expect(await books.ok(settle("a", { usd_known: false }))).toMatchObject({
      spend: { usd: "0.2", usd_known: false },
      violations: [],
    });
    expect(await books.ok(settle("b", { usd_known: false }))).toMatchObject({ spend: { usd: "0", usd_known: false } });
    expect(await books.channel("p", "usd")).toMatchObject({
      free: "0.8",
      committed: "0.2",
      uncertain: "0.2",
      sealed: false,
      measured: false,
    });
  });

  it("seals the payer for unknown dollars that nobody declared", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { usd: "1" }),
      spawn("p", "a"),
      spawn("p", "b", { usd: "0.25" }),
      meter("p", { usd: "0.125" }),
    );
    expect(await books.ok(settle("a", { usd_known: false }))).toMatchObject({ spend: { usd: null, usd_known: false } });
    expect(await books.channel("p", "usd")).toMatchObject({
      total: "1",
      free: "0",
      reserved: "0.25",
      committed: "0.75",
      uncertain: "0.625",
      sealed: true,
      measured: false,
    });
    await books.ok(settle("b", { usd: "0.1" }));
    expect(await books.channel("p", "usd")).toMatchObject({
      free: "0",
      reserved: "0",
      committed: "1",
      uncertain: "0.775",
      sealed: true,
    });
  });

  it("only flags them where the payer's pool says so, or nobody pays", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("flag", { usd: "1" }, { unknown_usd: "flag" }),
      spawn("flag", "a"),
      settle("a", { usd_known: false }),
      openPool("free"),
      spawn("free", "b"),
      settle("b", { usd_known: false }),
    );
    const flagged = { committed: "0", uncertain: "0", sealed: false, measured: false };
    expect(await books.channel("flag", "usd")).toMatchObject({ ...flagged, free: "1" });
    expect(await books.channel("free", "usd")).toMatchObject({ ...flagged, free: null });
  });

  it.each([
    ["flag", "seal", false],
    ["seal", "flag", true],
  ])("asks the payer, not the pool: %s above %s", async (above, here, sealed) => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { usd: "1" }, { unknown_usd: above }),
      openPool("mid", {}, { parent_pool_id: "top", unknown_usd: here }),
      spawn("mid", "a"),
      settle("a", { usd_known: false }),
    );
    expect(await books.channel("top", "usd")).toMatchObject({ sealed, measured: false, free: sealed ? "0" : "1" });
    expect(await books.channel("mid", "usd")).toMatchObject({ sealed: false, measured: false });
  });

  it("charges what is known of unknown tokens", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), spawn("p", "a", { tokens: 5 }));
    await books.ok(settle("a", { input_tokens: 3, tokens_known: false }));
    expect(await books.channel("p", "tokens")).toMatchObject({
      free: "7",
      committed: "3",
      uncertain: "0",
      measured: false,
    });
    expect(await books.channel("p", "usd")).toMatchObject({ measured: true });
  });

  it("takes undeclared dollars and resources out of free without a violation", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { usd: "1", gpu: 5 }), spawn("p", "a"));
    const result = await books.ok(
      settle("a", { usd: "1.5", resources: { gpu: { amount: "2" }, pages: { amount: 3 } } }),
    );
    expect(result.violations).toEqual([]);
    expect(await books.balance("p", "usd")).toEqual(["-0.5", "0", "1.5"]);
    expect(await books.balance("p", "gpu")).toEqual(["3", "0", "2"]);
    expect(await books.channel("p", "pages")).toMatchObject({ capped: false, committed: "3", payer_pool_id: null });
  });
});
