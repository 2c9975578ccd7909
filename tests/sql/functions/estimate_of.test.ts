/** What a call would cost before it is made: the same rule as when it is metered, worked by hand. */
import { expect, it } from "vitest";
import type { Books } from "../books.js";
import { meter, openPool } from "../builders.js";
import { useLedger } from "../ledger.js";
import { putPrices, usePrices } from "../prices.js";
import { BOOK, UNKNOWN } from "../rules/price-list.js";

const ledger = useLedger();

async function estimateOf(books: Books, ...of: unknown[]): Promise<unknown> {
  return (await books.row("select ledger.estimate_of($1, $2, $3, $4, $5) as usd", ...of)).usd;
}

it("is unknown until a book is in use, then by that book", async () => {
  const books = await ledger.open();
  await putPrices(books, "list", BOOK);
  expect(await estimateOf(books, "acme", "big", 1_000, 100)).toBeNull();
  await usePrices(books, "list");
  expect(await estimateOf(books, "acme", "big", 1_000, 100)).toBe("0.0045");
  const other = await ledger.open();
  expect(await estimateOf(other, "acme", "big", 1_000, 100)).toBeNull();
});

it.each([
  ["a name in capitals", "ACME", "BIG", 1_000, 100, "0.0045"],
  ["a date behind the name", "acme", "match-20260101", 1_000_000, 0, "2"],
  ["the last size of a tier", "acme", "tiered", 200_000, 10, "0.20005"],
  ["the first size of the next", "acme", "tiered", 200_001, 10, "0.400102"],
  ["a price per call", "acme", "asked", 500, 0, "0.003"],
  ["the price that holds now", "acme", "seasonal", 1_000_000, 0, "4"],
  ["nothing", "acme", "big", 0, 0, "0"],
  ["a free model", "acme", "free", 9, 9, "0"],
  ["a model without a price", "acme", "stranger", 1, 1, null],
  ["a provider without prices", "other", "big", 1, 1, null],
  ["a class without a price", "acme", "asked", 1, 1, null],
  ["tokens that nobody knows", "acme", "big", null, 1, null],
  ["tokens of a free model that nobody knows", "acme", "free", null, 1, null],
  ["less than nothing", "acme", "big", -1, 1, null],
  ["no number", "acme", "big", "NaN", 1, null],
  ["more dollars than a spend can state", "acme", "dear", 9_007_199_254_740_991, 0, null],
  ["no provider", null, "big", 1, 1, null],
  ["no model", "acme", null, 1, 1, null],
])("of %s", async (_what, provider, model, input, output, usd) => {
  const books = await ledger.open();
  await putPrices(books, "list", BOOK);
  await usePrices(books, "list");
  expect(await estimateOf(books, provider, model, input, output)).toBe(usd);
});

it("is what the call is booked as without a receipt", async () => {
  const books = await ledger.open();
  await putPrices(books, "list", BOOK);
  await usePrices(books, "list");
  const used = { ...UNKNOWN, input_tokens: 123_457, output_tokens: 891 };
  await books.ok(openPool("p"), meter("p", used, { provider: "acme", model: "thinker" }));
  expect((await books.journal("p")).at(-1)?.usd).toBe(await estimateOf(books, "acme", "thinker", 123_457, 891));
});
