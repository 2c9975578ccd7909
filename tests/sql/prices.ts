/** Price books as tests write them. */
import type { Books, Operation } from "./books.js";

/** A price of a class: dollars per million tokens of a model of `acme`, matched exactly, unless said otherwise. */
export function price(model: string, tokenClass: string, usdPerMillion: string, more: Operation = {}): Operation {
  return { provider: "acme", model, token_class: tokenClass, usd_per_million: usdPerMillion, ...more };
}

/** Writes a book; answers how many prices it has. */
export async function putPrices(
  books: Books,
  book: string,
  prices: readonly Operation[],
  source: string | null = null,
): Promise<unknown> {
  const text = "select ledger.put_prices(p_tenant_id => $1, p_book => $2, p_prices => $3, p_source => $4) as prices";
  return (await books.row(text, book, JSON.stringify(prices), source)).prices;
}

/** Makes a book the one that calls are priced from; null = none. */
export async function usePrices(books: Books, book: string | null): Promise<void> {
  await books.rows("select ledger.use_prices(p_tenant_id => $1, p_book => $2)", book);
}

/** Writes a book and uses it. */
export async function priceFrom(books: Books, book: string, prices: readonly Operation[]): Promise<void> {
  await putPrices(books, book, prices);
  await usePrices(books, book);
}
