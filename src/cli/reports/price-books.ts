/** The price books of a tenant. */
import type { PriceBooksRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";

/** A row of the view. */
export type PriceBook = PriceBooksRow;

/** All of them, the oldest first. */
export function readPriceBooks({ db, tenantId }: Ledger): Promise<PriceBook[]> {
  return db
    .selectFrom("price_books")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("recorded_at")
    .orderBy("book")
    .execute();
}

/** The one that calls are priced from. */
export function currentBook(books: readonly PriceBook[]): string | null {
  return books.find(({ current }) => current)?.book ?? null;
}
