import type pg from "pg";
import { beforeEach, describe, expect, it } from "vitest";
import type { Books } from "../books.js";
import { meter, openPool } from "../builders.js";
import { useLedger } from "../ledger.js";
import { price, putPrices, usePrices } from "../prices.js";

const ledger = useLedger();
let books: Books;

beforeEach(async () => {
  books = await ledger.open();
  await putPrices(books, "old", [price("small", "input", "1")]);
  await putPrices(books, "new", [price("small", "input", "2")]);
});

const current = async (): Promise<unknown[]> =>
  (await books.rows("select book from ledger.price_books where tenant_id = $1 and current")).map(({ book }) => book);

describe("use_prices", () => {
  it("chooses what calls are priced from, from now on; null = nothing", async () => {
    expect(await current()).toEqual([]);
    await books.ok(openPool("p", { usd: "1" }));
    const call = (): Promise<unknown> =>
      books.ok(meter("p", { input_tokens: 1_000, usd_known: false }, { provider: "acme", model: "small" }));
    for (const book of ["old", "new", "new", null, "old"]) {
      await usePrices(books, book);
      expect(await current()).toEqual(book === null ? [] : [book]);
      await call();
    }
    const rows = (await books.journal("p")).slice(1).map(({ usd, detail }) => [usd, detail]);
    expect(rows).toEqual([
      ["0.001", { price_book: "old" }],
      ["0.002", { price_book: "new" }],
      ["0.002", { price_book: "new" }],
      [null, null],
      ["0.001", { price_book: "old" }],
    ]);
  });

  it("raises LG001 for a book that is not there, also where another tenant has it", async () => {
    const others = await ledger.open();
    await putPrices(others, "theirs", [price("small", "input", "1")]);
    for (const book of ["nowhere", "theirs"]) {
      await expect(usePrices(books, book)).rejects.toSatisfy((error: pg.DatabaseError) => {
        const detail: unknown = JSON.parse(error.detail ?? "{}");
        expect(detail).toMatchObject({ path: "p_book", rule: expect.stringContaining(book) });
        return error.code === "LG001";
      });
    }
    expect(await current()).toEqual([]);
  });
});
