/** Price books through the client: written once, used from then on, checked before anything is sent. */
import { describe, expect, it } from "vitest";
import type { PriceRow } from "../../src/ledger/prices.js";
import { useClients } from "./client.js";

const clients = useClients();

const row = (fields: Partial<PriceRow> = {}): PriceRow => ({
  provider: "acme",
  model: "large",
  token_class: "input",
  usd_per_million: 3,
  ...fields,
});

const BOOK = [
  row(),
  row({ token_class: "cache_write", usd_per_million: "3.75" }),
  row({ token_class: "cache_write_1h", usd_per_million: 6n }),
  row({ token_class: "output", usd_per_million: 0.1 + 0.2 }),
];

describe("a price book", () => {
  it("prices what a pool observes without a receipt", async () => {
    const ledger = await clients.open();
    expect(await ledger.putPrices("own", BOOK, { source: "us" })).toBe(4);
    const pool = await ledger.openPool({ usd: 10 }, { poolId: "p" });
    const turn = {
      input_tokens: 1_000_000,
      output_tokens: 1_000_000,
      cache_write_tokens: 200_000,
      cache_write_1h_tokens: "100000",
    };
    const call = { provider: "acme", model: "large" };
    await ledger.usePrices("own");
    await pool.observe(turn, call);
    // 800,000 x 3 + 100,000 x 3.75 + 100,000 x 6 + 1,000,000 x 0.3, per million.
    expect(await pool.readout()).toMatchObject({ usdLeft: "6.325", usdKnown: false });
    expect(await ledger.db.selectFrom("price_books").select(["book", "source", "prices", "current"]).execute()).toEqual(
      [{ book: "own", source: "us", prices: "4", current: true }],
    );
  });

  it("is used until another, or none, is", async () => {
    const ledger = await clients.open();
    await ledger.putPrices("own", BOOK);
    const current = () => ledger.db.selectFrom("price_books").select("book").where("current", "=", true).execute();
    expect(await current()).toEqual([]);
    await ledger.usePrices("own");
    expect(await current()).toEqual([{ book: "own" }]);
    await ledger.usePrices(null);
    expect(await current()).toEqual([]);
    await expect(ledger.usePrices("other")).rejects.toMatchObject({ code: "LG001", detail: { path: "p_book" } });
  });

  it("may be written again, and never changes", async () => {
    const ledger = await clients.open();
    await ledger.putPrices("own", BOOK);
    // The same prices in other words.
    expect(
      await ledger.putPrices("own", [...BOOK.slice(0, 3), row({ token_class: "output", usd_per_million: "0.30" })]),
    ).toBe(4);
    await expect(ledger.putPrices("own", BOOK.slice(1))).rejects.toMatchObject({ code: "LG011" });
  });

  it.each<[string, unknown, string]>([
    ["no price", [], "prices"],
    ["a price of too many decimals", [row({ usd_per_million: "0.0000001" })], "prices.0.usd_per_million"],
    ["a negative price", [row(), row({ usd_per_million: -1 })], "prices.1.usd_per_million"],
    ["a price that is none", [row({ usd_per_million: "3 dollars" })], "prices.0.usd_per_million"],
    ["another class", [{ ...row(), token_class: "tokens" }], "prices.0.token_class"],
    ["a date that is none", [row({ valid_from: new Date(Number.NaN) })], "prices.0.valid_from"],
    ["no time at all", [row({ valid_from: "2026-01-02", valid_to: "2026-01-01" })], "prices.0.valid_to"],
    ["an unknown key", [{ ...row(), price: 1 }], "prices.0"],
  ])("with %s is not sent", async (_, rows, path) => {
    const ledger = await clients.open();
    await expect(ledger.putPrices("own", rows as PriceRow[])).rejects.toMatchObject({
      code: "LG001",
      detail: { path },
    });
    expect(await ledger.db.selectFrom("price_books").selectAll().execute()).toEqual([]);
  });

  it("has a name", async () => {
    const ledger = await clients.open();
    await expect(ledger.putPrices("", BOOK)).rejects.toMatchObject({ code: "LG001", detail: { path: "book" } });
    await expect(ledger.usePrices("")).rejects.toMatchObject({ code: "LG001", detail: { path: "book" } });
  });
});
