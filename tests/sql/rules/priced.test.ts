/** Calls without a receipt, priced when they are metered: what each costs, worked by hand. Alone and in a batch (the fold) alike. */
import { beforeEach, describe, expect, it } from "vitest";
import { type Books, type Operation, type Row, WAYS } from "../books.js";
import { meter, openPool, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";
import { price, priceFrom, putPrices, usePrices } from "../prices.js";
import { BOOK, estimate, lastDollars, NOBODY_KNOWS, of, receipt, SPRING, SUMMER, UNKNOWN } from "./price-list.js";

const ledger = useLedger();

describe.each(WAYS)("a call %s", (way) => {
  let books: Books;

  beforeEach(async () => {
    books = await ledger.open(way);
    await priceFrom(books, "list", BOOK);
  });

  const last = (poolId: string): Promise<Row> => lastDollars(books, poolId);

  it.each<[string, string, Operation, string]>([
    ["input and output", "big", { input_tokens: 1_000, output_tokens: 100 }, "0.0045"],
    // 300 * 3 + 500 * 0.3 + 150 * 3.75 + 50 * 6 + 100 * 15 = 3412.5
    [
      "each token in one class",
      "big",
      {
        ...{ input_tokens: 1_000, cache_read_tokens: 500, cache_write_tokens: 200, cache_write_1h_tokens: 50 },
        ...{ output_tokens: 100, reasoning_tokens: 60 },
      },
      "0.0034125",
    ],
    ["reasoning with a price of its own", "thinker", { output_tokens: 100, reasoning_tokens: 60 }, "0.00064"],
    ["nothing of a model that costs", "big", {}, "0"],
    ["the last size of the first tier", "tiered", { input_tokens: 200_000, output_tokens: 10 }, "0.20005"],
    ["the first size of the next", "tiered", { input_tokens: 200_001, output_tokens: 10 }, "0.400102"],
    ["a price per call", "asked", { input_tokens: 500 }, "0.003"],
    ["a class used beside one that is not priced", "thinker", { input_tokens: 7 }, "0.000007"],
    ["twelve decimals, exactly", "dear", { input_tokens: 999_999_999 }, "999999998999000.000001"],
    ["a model without cost where none was used", "half-free", { input_tokens: 5 }, "0"],
  ])("costs %s", async (_what, model, used, usd) => {
    await books.ok(openPool("p", { usd: "9999999" }), meter("p", { ...UNKNOWN, ...used }, of(model)));
    expect(await last("p")).toEqual(estimate(usd));
    expect(await books.channel("p", "usd")).toMatchObject({
      committed: usd,
      uncertain: usd,
      sealed: false,
      measured: false,
    });
  });

  it.each<[string, string, string]>([
    ["its exact name first", "match", "1"],
    ["then its name before a date", "match-20260101", "2"],
    ["or a date with dashes", "match-2026-01-01", "2"],
    ["then the longest prefix", "match-20-pro", "4"],
    ["or a shorter one", "matter", "3"],
    ["then the longest part of it", "a-match", "6"],
    ["or a shorter one", "itchtch", "5"],
    ["in lower case", "MATCH", "1"],
  ])("finds its price by %s", async (_what, model, perToken) => {
    await books.ok(openPool("p"), meter("p", { ...UNKNOWN, input_tokens: 1_000_000 }, { provider: "ACME", model }));
    expect(await last("p")).toEqual(estimate(perToken));
  });

  it.each<[string, Operation, string | null]>([
    ["before its first price", { effective_at: "2026-02-28T23:59:59.999Z" }, null],
    ["from its first instant", { effective_at: SPRING }, "1"],
    ["to its last", { effective_at: "2026-05-31T23:59:59.999Z" }, "1"],
    ["and then by the next", { effective_at: SUMMER }, "4"],
    ["and now", {}, "4"],
  ])("is priced as of when it happened: %s", async (_what, when, usd) => {
    await books.ok(openPool("p"), meter("p", { ...UNKNOWN, input_tokens: 1_000_000 }, of("seasonal", when)));
    expect(await last("p")).toEqual(usd === null ? NOBODY_KNOWS : estimate(usd));
  });

  it("is priced by the price that began last where two hold", async () => {
    await books.ok(
      openPool("p"),
      meter("p", { ...UNKNOWN, input_tokens: 1_000_000 }, of("overlapping", { effective_at: SPRING })),
      meter("p", { ...UNKNOWN, input_tokens: 1_000_000 }, of("overlapping")),
    );
    const rows = (await books.journal("p")).filter(({ model }) => model !== null);
    expect(rows.map(({ usd }) => usd)).toEqual(["7", "1"]);
  });

  it.each<[string, Operation, Operation]>([
    ["a model the book does not have", { input_tokens: 1 }, of("stranger")],
    ["a provider the book does not have", { input_tokens: 1 }, { provider: "other", model: "big" }],
    ["no model", { input_tokens: 1 }, { provider: "acme" }],
    ["no provider", { input_tokens: 1 }, { model: "big" }],
    ["a class without a price", { output_tokens: 1 }, of("asked")],
    ["cache reads without a price", { input_tokens: 2, cache_read_tokens: 1 }, of("thinker")],
    [
      "writes for an hour without a price",
      { input_tokens: 2, cache_write_tokens: 2, cache_write_1h_tokens: 1 },
      of("thinker"),
    ],
    ["unknown tokens", { input_tokens: 1, tokens_known: false }, of("big")],
    ["unknown tokens of a free model", { input_tokens: 1, tokens_known: false }, of("free")],
    ["more dollars than a spend can state", { input_tokens: 9_007_199_254_740_991 }, of("dear")],
    ["nothing at all of no model", {}, {}],
  ])("is unknown, never 0, for %s", async (_what, used, more) => {
    await books.ok(openPool("p", { usd: "5" }), meter("p", { ...UNKNOWN, ...used }, more));
    expect(await last("p")).toEqual(NOBODY_KNOWS);
    expect(await books.channel("p", "usd")).toMatchObject({ sealed: true, free: "0" });
  });

  it("of a free model costs a known 0", async () => {
    const used = { ...UNKNOWN, input_tokens: 10, output_tokens: 10 };
    await books.ok(openPool("p", { usd: "5" }), meter("p", used, of("free")));
    expect(await last("p")).toEqual(receipt("0", { price_book: "list" }));
    expect(await books.channel("p", "usd")).toMatchObject({ free: "5", measured: true, uncertain: "0" });
  });

  it.each<[string, Operation, Row]>([
    ["a receipt", { usd: "9" }, receipt("9")],
    ["an estimate of the caller's own", { usd: "9", usd_known: false }, { ...estimate("9"), detail: null }],
    ["a receipt of 0", { usd: "0" }, receipt("0")],
  ])("keeps %s", async (_what, dollars, said) => {
    await books.ok(openPool("p"), meter("p", { input_tokens: 1_000, ...dollars }, of("big")));
    expect(await last("p")).toEqual(said);
  });

  it.each<[string, unknown, unknown]>([
    ["an object", { step: 1, deep: { a: null } }, { step: 1, deep: { a: null }, price_book: "list" }],
    ["a list", [{ a: null }], { detail: [{ a: null }], price_book: "list" }],
    ["a text", "note", { detail: "note", price_book: "list" }],
  ])("says which book beside a detail that is %s", async (_what, detail, kept) => {
    const call = (more: Operation): Operation => meter("p", { ...UNKNOWN, input_tokens: 1 }, { detail, ...more });
    await books.ok(openPool("p"), call(of("big")));
    expect((await last("p")).detail).toEqual(kept);
    await books.ok(call(of("stranger")));
    expect((await last("p")).detail).toEqual(detail);
  });

  it("takes no price_book from its caller", async () => {
    await books.ok(openPool("p"));
    const call = meter("p", { ...UNKNOWN, input_tokens: 1 }, of("big"));
    expect(await books.failed("LG001", { ...call, price_book: "mine" })).toBe("price_book");
    expect(await books.failed("LG001", { ...call, detail: { price_book: "mine" } })).toBe("detail.price_book");
    await books.ok({ ...call, detail: ["price_book"] });
  });

  it("is what it was without a book: unknown, and a declared ceiling is charged", async () => {
    await usePrices(books, null);
    await books.ok(
      openPool("p", { tokens: 10_000, iterations: 5, usd: "5" }),
      spawn("p", "leaf", { tokens: 10, iterations: 1, usd: "2" }),
    );
    const { spend } = await books.ok(settle("leaf", { ...UNKNOWN, input_tokens: 5 }, of("big")));
    expect(spend).toMatchObject({ usd: "2", usd_known: false });
    await books.ok(meter("p", { ...UNKNOWN, input_tokens: 5 }, of("big")));
    expect(await last("p")).toEqual(NOBODY_KNOWS);
  });

  it("settled under its ceiling costs its price, above it that is a violation", async () => {
    await books.ok(
      openPool("p", { tokens: 1_000_000, iterations: 9, usd: "5" }),
      spawn("p", "under", { tokens: 400_000, iterations: 1, usd: "1" }),
      spawn("p", "above", { tokens: 400_000, iterations: 1, usd: "1" }),
    );
    // 100,000 * 3 and 400,000 * 3 per million
    const under = await books.ok(settle("under", { ...UNKNOWN, iterations: 1, input_tokens: 100_000 }, of("big")));
    expect(under).toMatchObject({ spend: { usd: "0.3", usd_known: false }, violations: [] });
    expect(await last("p")).toEqual(estimate("0.3"));
    const above = await books.ok(settle("above", { ...UNKNOWN, iterations: 1, input_tokens: 400_000 }, of("big")));
    expect(above).toMatchObject({
      spend: { usd: "1.2" },
      violations: [{ channel: "usd", reserved: "1", spent: "1.2" }],
    });
    expect(await books.channel("p", "usd")).toMatchObject({ free: "3.5", committed: "1.5", uncertain: "1.5" });
  });

  it("cancelled with a spend costs its price, without one what an unreported leaf is charged", async () => {
    await books.ok(openPool("p", { usd: "5" }), spawn("p", "said", { usd: "1" }), spawn("p", "silent", { usd: "1" }));
    const cancel = { op: "cancel", node_id: "said", reason: "late", spend: { ...UNKNOWN, iterations: 0 } };
    const spend = { ...cancel.spend, input_tokens: 100_000, output_tokens: 0 };
    expect(await books.ok({ ...cancel, ...of("big"), spend })).toMatchObject({ spend: { usd: "0.3" } });
    await books.ok({ op: "dispatch", node_id: "silent" });
    const silent = await books.ok({ op: "cancel", node_id: "silent", reason: "late", ...of("big") });
    expect(silent).toMatchObject({ spend: { usd: "1", usd_known: false } });
    expect((await last("p")).detail).toBeNull();
  });

  it("is seen by the cap of a pool above, which an estimate does not seal", async () => {
    await books.ok(
      openPool("top", { tokens: 1_000_000, usd: "1" }),
      spawnDriver("top", "driver", { tokens: 900_000 }),
      meter("driver", { ...UNKNOWN, input_tokens: 200_000 }, of("big")),
    );
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "0.4",
      committed: "0.6",
      uncertain: "0.6",
      sealed: false,
    });
    await books.refused("budget-exhausted", spawn("top", "more", { tokens: 1, usd: "0.41" }));
    await books.ok(spawn("top", "fits", { tokens: 1, usd: "0.4" }));
  });

  it("late in a closed pool goes up with its price", async () => {
    await books.ok(
      openPool("top", { tokens: 1_000_000, usd: "5" }),
      spawnDriver("top", "driver", { tokens: 500_000, usd: "2" }),
      { op: "settle", node_id: "driver", outcome: "done" },
      meter("driver", { ...UNKNOWN, input_tokens: 100_000 }, of("big")),
    );
    expect(await books.channel("top", "usd")).toMatchObject({ free: "4.7", committed: "0.3", uncertain: "0.3" });
  });

  it("that expired and is settled late costs its price", async () => {
    await books.ok(
      openPool("p", { tokens: 1_000_000, usd: "5" }),
      spawn("p", "leaf", { tokens: 500_000, usd: "2" }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "leaf" },
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    await books.ok({ op: "expire" });
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "2" });
    const late = await books.ok(settle("leaf", { ...UNKNOWN, input_tokens: 100_000 }, of("big")));
    expect(late).toMatchObject({ spend: { usd: "0.3", usd_known: false }, violations: [] });
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "0.3", uncertain: "0.3", sealed: false });
    expect((await last("p")).detail).toEqual({ price_book: "list" });
  });

  it("stays what it was when the book changes, also when it is sent again", async () => {
    await putPrices(books, "dearer", [price("big", "input", "30")]);
    const call = meter("p", { ...UNKNOWN, input_tokens: 100_000 }, of("big", { operation_id: "call" }));
    await books.ok(openPool("p", { usd: "5" }), spawn("p", "leaf"), call);
    const end = settle("leaf", { ...UNKNOWN, input_tokens: 100_000 }, of("big", { operation_id: "end" }));
    const first = await books.do(end);
    await usePrices(books, "dearer");
    expect(await books.do(call)).toMatchObject({ status: "replayed", code: null });
    expect(await books.do(end)).toEqual({ ...first, status: "replayed" });
    expect(first.result.spend).toMatchObject({ usd: "0.3" });
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "0.6" });
    await books.failed("LG005", { ...call, detail: "other" });
  });
});
