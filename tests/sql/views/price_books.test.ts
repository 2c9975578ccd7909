import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";
import { price, priceFrom, putPrices } from "../prices.js";

const ledger = useLedger();

describe("price_books", () => {
  it("lists the books of a tenant, and which is current", async () => {
    const books = await ledger.open();
    await putPrices(books, "a", [price("m", "input", "1"), price("m", "output", "1")], "a list");
    await priceFrom(books, "b", [price("m", "input", "2")]);
    const rows = await books.rows("select * from ledger.price_books where tenant_id = $1 order by book");
    const recorded = { recorded_at: expect.any(Date), recorded_by: "postgres" };
    expect(rows).toEqual([
      { tenant_id: books.tenantId, book: "a", source: "a list", prices: "2", current: false, ...recorded },
      { tenant_id: books.tenantId, book: "b", source: null, prices: "1", current: true, ...recorded },
    ]);
  });
});
