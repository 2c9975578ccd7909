/** `agent-ledger prices import|list|use|books`: what calls without a receipt are priced from. */
import type { Command } from "commander";
import { Complaint } from "../../database/complaint.js";
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { PriceRow } from "../../ledger/prices.js";
import { type CatalogueBook, catalogueProviders, readCatalogue } from "../../prices/catalogue.js";
import { readPriceFile } from "../../prices/file.js";
import { type ConnectionOptions, readLedger, withLedger } from "../context.js";
import { UsageError } from "../errors.js";
import { amount, instant, NOTHING, print, printJson, printTable } from "../output.js";
import { currentBook, type PriceBook, readPriceBooks } from "../reports/price-books.js";
import { addWork } from "../verb.js";
import { addPricesList } from "./prices-list.js";

/** Adds the verbs. */
export function addPrices(program: Command): void {
  const prices = program.command("prices").description("price books, from which calls without a receipt are estimated");
  addImport(prices);
  addPricesList(prices);
  addUse(prices);
  const books = prices.command("books").description("the price books there are, and which is in use");
  addWork(books, (options: ConnectionOptions) =>
    readLedger(options, async (ledger) => {
      const all = await readPriceBooks(ledger);
      if (options.json) printJson(all);
      else printBooks(all);
    }),
  );
}

interface ImportOptions extends ConnectionOptions {
  readonly book?: string;
  readonly provider?: readonly string[];
  readonly use: boolean;
}

/** What an import of prices did. `left_out` is of the catalogue only. */
export interface PricesImported {
  readonly book: string;
  readonly prices: number;
  /** False where the book was there already. */
  readonly new: boolean;
  /** The book in use now; null where none is. */
  readonly current: string | null;
  readonly left_out?: CatalogueBook["leftOut"];
}

const AFTER_IMPORT = `
A file is a JSON array (.json) or one price per line (.jsonl): {"provider", "model", "match"?: exact|dated|prefix|contains,
"token_class": input|cache_read|cache_write|cache_write_1h|output|reasoning|request, "usd_per_million", "above_input_tokens"?,
"valid_from"?, "valid_to"?, "source"?}. Without a file the catalogue that came with the package is taken.

Exit codes:
  0  the book is there, new or as it was
  1  a price is malformed (nothing is written then), or the book is there with other prices
  2  not a call this program knows`;

function addImport(prices: Command): void {
  const command = prices
    .command("import")
    .argument("[file]", "prices of your own, .json or .jsonl; without it, the catalogue of the package")
    .option("--book <name>", "the book's name (else the catalogue's name and version, or the file's name and digest)")
    .option("--provider <id...>", "of the catalogue, these providers only")
    .option("--no-use", "write the book, and go on pricing from the one in use")
    .description("write a price book and price from it; importing the same again changes nothing")
    .addHelpText("after", AFTER_IMPORT);
  addWork(command, async (options: ImportOptions, file: string | undefined) => {
    if (file !== undefined && options.provider) throw new UsageError("--provider is for the catalogue, not for a file");
    const found = file === undefined ? await catalogueOf(options.provider) : await readPriceFile(file);
    await withLedger(options, async (ledger) => {
      const imported = await importPrices(ledger, found, options);
      if (options.json) printJson(imported);
      else printImported(imported);
    });
  });
}

/** A book that somebody read. */
interface Found {
  readonly book: string;
  readonly source: string;
  readonly prices: readonly PriceRow[];
  readonly leftOut?: CatalogueBook["leftOut"];
  readonly places?: readonly string[];
}

/** Writes a book and, unless told not to, prices from it. Doing it again changes nothing. */
export async function importPrices(
  ledger: Ledger,
  found: Found,
  { book = found.book, use }: { readonly book?: string; readonly use: boolean },
): Promise<PricesImported> {
  const before = await readPriceBooks(ledger);
  const prices = await ledger.putPrices(book, found.prices, { source: found.source }).catch((error: unknown): never => {
    throw inWords(error, book, found);
  });
  if (use) await ledger.usePrices(book);
  return {
    book,
    prices,
    new: !before.some((one) => one.book === book),
    current: use ? book : currentBook(before),
    ...(found.leftOut && { left_out: found.leftOut }),
  };
}

/** Of errors about prices, where in the file they are and what to do. */
function inWords(error: unknown, book: string, { places }: Found): unknown {
  if (!(error instanceof LedgerError)) return error;
  if (error.code === "LG011") {
    return new Complaint(`the book ${book} holds other prices, and a book never changes: name another with --book`);
  }
  const at = /^p?_?prices\.(?<index>\d+)\.?(?<field>.*)$/.exec(String(error.detail.path))?.groups;
  const place = places?.[Number(at?.index)];
  if (error.code !== "LG001" || at === undefined || place === undefined) return error;
  return new Complaint(["nothing was written", place, at.field, String(error.detail.rule)].filter(Boolean).join(": "));
}

async function catalogueOf(providers: readonly string[] | undefined): Promise<CatalogueBook> {
  try {
    return await readCatalogue(providers);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const there = (await catalogueProviders()).join(", ");
    throw new UsageError(`The catalogue has no provider ${error.message}. It has ${there}`);
  }
}

function printImported({ book, prices, new: isNew, current, left_out: left }: PricesImported): void {
  const count = amount(String(prices));
  print(isNew ? `Book ${book}: ${count} prices` : `Nothing was new: book ${book} holds the same ${count} prices`);
  if (left && isNew) {
    const { models, clauses } = left;
    print(
      `Left out, and so unknown: ${models.time_of_day} models priced by the hour of the day, ${models.no_token_price} without a price of tokens;`,
      `what only ${clauses.ends_with} endings, ${clauses.regex} patterns or ${clauses.and} combined rules find; ${clauses.shadowed} names of other models`,
    );
  }
  printCurrent(current);
}

function printCurrent(current: string | null): void {
  print(
    current === null
      ? "Calls without a receipt are not priced: agent-ledger prices use <book> chooses a book"
      : `Calls without a receipt are priced from ${current} when they are metered`,
  );
}

function addUse(prices: Command): void {
  const command = prices
    .command("use")
    .argument("[book]", "its name")
    .option("--none", "price from none: what has no receipt is unknown")
    .description("choose what calls are priced from, from now on; what was estimated stays what it was");
  addWork(command, async (options: ConnectionOptions & { readonly none?: true }, book: string | undefined) => {
    if ((book === undefined) !== (options.none === true)) throw new UsageError("Name a book, or give --none");
    await withLedger(options, async (ledger) => {
      const chosen = book ?? null;
      const books = await readPriceBooks(ledger);
      if (chosen !== null && !books.some((one) => one.book === chosen)) {
        throw new Complaint(
          `Tenant ${ledger.tenantId} has no price book ${chosen}: agent-ledger prices books lists them`,
        );
      }
      await ledger.usePrices(chosen);
      if (options.json) printJson({ current: chosen });
      else printCurrent(chosen);
    });
  });
}

function printBooks(books: readonly PriceBook[]): void {
  if (books.length === 0) {
    print("No price book yet. agent-ledger prices import writes the catalogue that came with the package");
    return;
  }
  printTable(
    "Price books",
    ["book", "in use", "source", "recorded", "by", "prices"],
    books.map((book) => [
      book.book,
      book.current ? "yes" : "",
      book.source ?? NOTHING,
      instant(book.recorded_at),
      book.recorded_by,
      amount(book.prices),
    ]),
    5,
  );
}
