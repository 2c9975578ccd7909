/** What a run's usage costs under price books, whatever was booked for it. */
import { sql } from "kysely";
import { Complaint } from "../../database/complaint.js";
import { sum } from "../../ledger/amounts.js";
import type { Ledger } from "../../ledger/ledger.js";
import { readPriceBooks } from "./price-books.js";

/** Calls and what they cost; null where none of them could be priced. */
interface Priced {
  readonly calls: string;
  /** Those that the book cannot price: they are not in the dollars. */
  readonly unpriced_calls: string;
  readonly usd: string | null;
}

/** A run under one book. */
export interface BookPrices extends Priced {
  readonly book: string;
  readonly by_model: readonly (Priced & { readonly provider: string | null; readonly model: string | null })[];
}

/**
 * The run under each of the books.
 * @throws {Complaint} where there is no such book.
 */
export async function readBookPrices(ledger: Ledger, run: string, books: readonly string[]): Promise<BookPrices[]> {
  const there = await readPriceBooks(ledger);
  const missing = books.find((book) => !there.some((one) => one.book === book));
  if (missing !== undefined) {
    throw new Complaint(`Tenant ${ledger.tenantId} has no price book ${missing}: agent-ledger prices books lists them`);
  }
  return Promise.all(books.map((book) => readUnder(ledger, run, book)));
}

async function readUnder({ db, tenantId }: Ledger, run: string, book: string): Promise<BookPrices> {
  const models = await db
    .selectFrom("priced_usage")
    .select(["provider", "model"])
    .select(({ fn }) => [
      fn.countAll<string>().as("calls"),
      sql<string>`count(*) filter (where usd is null)`.as("unpriced_calls"),
      sql<string | null>`trim_scale(sum(usd))`.as("usd"),
    ])
    .where("tenant_id", "=", tenantId)
    .where("run_id", "=", run)
    .where("book", "=", book)
    .groupBy(["provider", "model"])
    .orderBy(sql`sum(input_tokens)`, "desc")
    .orderBy("provider")
    .orderBy("model")
    .execute();
  const priced = models.flatMap(({ usd }) => usd ?? []);
  return {
    book,
    calls: sum(models.map(({ calls }) => calls)),
    unpriced_calls: sum(models.map((part) => part.unpriced_calls)),
    usd: priced.length === 0 && models.length > 0 ? null : sum(priced),
    by_model: models,
  };
}
