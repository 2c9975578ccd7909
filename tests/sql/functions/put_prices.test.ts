import type pg from "pg";
import { beforeEach, describe, expect, it } from "vitest";
import type { Books } from "../books.js";
import { useLedger } from "../ledger.js";
import { price, putPrices } from "../prices.js";

const ledger = useLedger();
let books: Books;

beforeEach(async () => {
  books = await ledger.open();
});

const INPUT = price("small", "input", "0.5");
const OUTPUT = price("small", "output", "2");

/** SQLSTATE and DETAIL of a call that must fail. */
async function failure(call: Promise<unknown>): Promise<[unknown, Record<string, unknown>]> {
  try {
    await call;
  } catch (error) {
    const { code, detail } = error as pg.DatabaseError;
    return [code, JSON.parse(detail ?? "{}")];
  }
  throw new Error("the call did not fail");
}

const list = (): Promise<unknown[]> =>
  books.rows("select * from ledger.price_books where tenant_id = $1 order by book");

describe("put_prices", () => {
  it("writes a book whole, names in lower case, and says how many prices it has", async () => {
    const tier = price("Small", "input", "1.25", {
      provider: "ACME",
      match: "prefix",
      above_input_tokens: 200_000,
      valid_from: "2026-01-01T00:00:00Z",
      valid_to: "2026-07-01T02:00:00+02:00",
      source: "price list",
    });
    expect(await putPrices(books, "spring", [tier, OUTPUT], "the web")).toBe(2);
    expect(await books.rows("select * from ledger.prices where tenant_id = $1 order by token_class")).toEqual([
      {
        tenant_id: books.tenantId,
        book: "spring",
        provider: "acme",
        match: "prefix",
        model: "small",
        token_class: "input",
        above_input_tokens: "200000",
        valid_from: new Date("2026-01-01T00:00:00Z"),
        valid_to: new Date("2026-07-01T00:00:00Z"),
        usd_per_million: "1.25",
        source: "price list",
      },
      {
        tenant_id: books.tenantId,
        book: "spring",
        provider: "acme",
        match: "exact",
        model: "small",
        token_class: "output",
        above_input_tokens: "0",
        valid_from: null,
        valid_to: null,
        usd_per_million: "2",
        source: null,
      },
    ]);
    expect(await list()).toMatchObject([{ book: "spring", source: "the web", prices: "2", current: false }]);
  });

  it("takes the same content again, in any order and spelling", async () => {
    const from = { valid_from: "2026-01-01T00:00:00Z" };
    await putPrices(books, "b", [{ ...INPUT, ...from }, OUTPUT]);
    const [written] = await list();
    const again = [
      { ...OUTPUT, usd_per_million: "2.00", match: "exact", above_input_tokens: 0 },
      { ...INPUT, provider: "Acme", usd_per_million: 0.5, valid_from: "2026-01-01T01:00:00+01:00" },
    ];
    await books.client.query("set timezone = 'Asia/Tokyo'");
    expect(await putPrices(books, "b", again)).toBe(2);
    await books.client.query("reset timezone");
    expect(await list()).toEqual([written]);
  });

  it.each([
    ["another price", [INPUT, { ...OUTPUT, usd_per_million: "3" }], null],
    ["a price more", [INPUT, OUTPUT, price("large", "input", "1")], null],
    ["a price less", [INPUT], null],
    ["another source of a price", [INPUT, { ...OUTPUT, source: "mail" }], null],
    ["another source", [INPUT, OUTPUT], "mail"],
  ])("raises LG011 for %s under the same name, and changes nothing", async (_what, prices, source) => {
    await putPrices(books, "b", [INPUT, OUTPUT]);
    const kept = await books.rows("select * from ledger.prices where tenant_id = $1 order by token_class");
    expect(await failure(putPrices(books, "b", prices, source))).toMatchObject(["LG011", { path: "p_book" }]);
    expect(await books.rows("select * from ledger.prices where tenant_id = $1 order by token_class")).toEqual(kept);
  });

  it.each<[string, unknown, string]>([
    ["no list", {}, "p_prices"],
    ["an empty list", [], "p_prices"],
    ["a list of 100,001", Array(100_001).fill(1), "p_prices"],
    ["what is no object", [INPUT, 7], "p_prices.1"],
    ["a key nobody knows", [{ ...INPUT, currency: "eur" }], "p_prices.0.currency"],
    ["no provider", [INPUT, { ...OUTPUT, provider: undefined }], "p_prices.1.provider"],
    ["no model", [{ ...INPUT, model: undefined }], "p_prices.0.model"],
    ["no class", [{ ...INPUT, token_class: undefined }], "p_prices.0.token_class"],
    ["no price", [{ ...INPUT, usd_per_million: undefined }], "p_prices.0.usd_per_million"],
    ["an empty model", [{ ...INPUT, model: "" }], "p_prices.0.model"],
    ["a model of 201 characters", [{ ...INPUT, model: "m".repeat(201) }], "p_prices.0.model"],
    ["a model with a line break", [{ ...INPUT, model: "a\nb" }], "p_prices.0.model"],
    ["another class", [{ ...INPUT, token_class: "images" }], "p_prices.0.token_class"],
    ["a class that is no text", [{ ...INPUT, token_class: ["input"] }], "p_prices.0.token_class"],
    ["another match", [{ ...INPUT, match: "regex" }], "p_prices.0.match"],
    ["a price below zero", [{ ...INPUT, usd_per_million: "-1" }], "p_prices.0.usd_per_million"],
    ["seven decimals", [{ ...INPUT, usd_per_million: "0.0000001" }], "p_prices.0.usd_per_million"],
    ["a price of 10^12", [{ ...INPUT, usd_per_million: 1e12 }], "p_prices.0.usd_per_million"],
    ["a price in words", [{ ...INPUT, usd_per_million: "free" }], "p_prices.0.usd_per_million"],
    ["a tier below zero", [{ ...INPUT, above_input_tokens: -1 }], "p_prices.0.above_input_tokens"],
    ["half a token", [{ ...INPUT, above_input_tokens: 0.5 }], "p_prices.0.above_input_tokens"],
    ["a day without a zone", [{ ...INPUT, valid_from: "2026-01-01" }], "p_prices.0.valid_from"],
    ["a day that is none", [{ ...INPUT, valid_to: "2026-02-30T00:00:00Z" }], "p_prices.0.valid_to"],
    ["null for always", [{ ...INPUT, valid_from: null }], "p_prices.0.valid_from"],
    ["a source that is no text", [{ ...INPUT, source: 1 }], "p_prices.0.source"],
    [
      "an end at its beginning",
      [OUTPUT, { ...INPUT, valid_from: "2026-01-01T00:00:00Z", valid_to: "2026-01-01T00:00:00Z" }],
      "p_prices.1.valid_to",
    ],
    ["the same price twice", [INPUT, OUTPUT, { ...INPUT, usd_per_million: "9" }], "p_prices.2.model"],
    ["the same model in capitals", [INPUT, { ...INPUT, model: "SMALL" }], "p_prices.1.model"],
  ])("raises LG001 for %s, and writes nothing", async (_what, prices, path) => {
    const [code, detail] = await failure(
      books.rows("select ledger.put_prices($1, 'b', $2::jsonb)", JSON.stringify(prices)),
    );
    expect([code, detail.path]).toEqual(["LG001", path]);
    expect(detail.rule).toEqual(expect.stringMatching(/\w/));
    expect(await list()).toEqual([]);
  });

  it.each([
    ["p_book", null, null],
    ["p_book", "", null],
    ["p_source", "b", ""],
  ])("raises LG001 for a malformed %s", async (path, book, source) => {
    const text = "select ledger.put_prices($1, $2, $3, $4)";
    const [code, detail] = await failure(books.rows(text, book, JSON.stringify([INPUT]), source));
    expect([code, detail.path]).toEqual(["LG001", path]);
  });

  it("takes prices of one key that differ in class, size, time or match", async () => {
    const prices = [
      INPUT,
      OUTPUT,
      { ...INPUT, above_input_tokens: 1 },
      { ...INPUT, valid_from: "2026-01-01T00:00:00Z" },
      { ...INPUT, match: "prefix" },
      { ...INPUT, provider: "other" },
    ];
    expect(await putPrices(books, "b", prices)).toBe(6);
  });

  it("keeps tenants apart", async () => {
    const others = await ledger.open();
    await putPrices(books, "b", [INPUT]);
    expect(await putPrices(others, "b", [OUTPUT, price("large", "input", "1")])).toBe(2);
    expect(await list()).toMatchObject([{ prices: "1" }]);
  });

  it("takes twelve thousand prices, and the same again", async () => {
    const prices = Array.from({ length: 12_000 }, (_, n) => price(`model-${n}`, "input", `${n}.000001`));
    expect(await putPrices(books, "b", prices)).toBe(12_000);
    expect(await putPrices(books, "b", prices.reverse())).toBe(12_000);
  });

  it("needs no serializable transaction, and takes part in one", async () => {
    await books.client.query("begin isolation level serializable");
    expect(await putPrices(books, "b", [INPUT])).toBe(1);
    await books.client.query("rollback");
    expect(await list()).toEqual([]);
  });

  it("gives one of two writers of the same book the other's answer", async () => {
    const other = await ledger.database.connect();
    // In a serializable transaction the one who waited has lost (40001), and asks again.
    await other.query("set default_transaction_isolation = 'read committed'");
    await books.client.query("begin");
    await putPrices(books, "b", [INPUT]);
    const waiting = other.query("select ledger.put_prices($1, 'b', $2) as n", [
      books.tenantId,
      JSON.stringify([INPUT]),
    ]);
    await books.client.query("commit");
    expect((await waiting).rows).toEqual([{ n: 1 }]);
  });
});
