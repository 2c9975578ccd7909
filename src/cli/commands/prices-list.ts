/** `agent-ledger prices list`: the prices of a book. */
import type { Command } from "commander";
import { Complaint } from "../../database/complaint.js";
import type { PricesRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import { TOKEN_CLASSES } from "../../ledger/prices.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { amount, NOTHING, print, printJson, printTable } from "../output.js";
import { currentBook, readPriceBooks } from "../reports/price-books.js";
import { addWork } from "../verb.js";

interface ListOptions extends ConnectionOptions {
  readonly book?: string;
  readonly provider?: string;
  readonly model?: string;
}

/** Adds the verb. */
export function addPricesList(prices: Command): void {
  const command = prices
    .command("list")
    .option("--book <name>", "of that book (else the one in use)")
    .option("--provider <id>", "of that provider")
    .option("--model <text>", "of models with that in their names")
    .description("the prices of a book, in dollars per million tokens");
  addWork(command, (options: ListOptions) =>
    readLedger(options, async (ledger) => {
      const book = await bookOf(ledger, options.book);
      const rows = await readPrices(ledger, book, options);
      if (options.json) printJson(rows);
      else printPrices(book, rows);
    }),
  );
}

async function bookOf(ledger: Ledger, asked: string | undefined): Promise<string> {
  const books = await readPriceBooks(ledger);
  const book = asked ?? currentBook(books);
  if (book === null)
    throw new Complaint("No price book is in use: name one with --book, or agent-ledger prices use <book>");
  if (books.some((one) => one.book === book)) return book;
  throw new Complaint(`Tenant ${ledger.tenantId} has no price book ${book}: agent-ledger prices books lists them`);
}

function readPrices({ db, tenantId }: Ledger, book: string, { provider, model }: ListOptions): Promise<PricesRow[]> {
  const part = (model ?? "").toLowerCase().replaceAll(/[\\%_]/g, "\\$&");
  return db
    .selectFrom("prices")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .where("book", "=", book)
    .$if(provider !== undefined, (query) => query.where("provider", "=", String(provider).toLowerCase()))
    .$if(model !== undefined, (query) => query.where("model", "like", `%${part}%`))
    .orderBy("provider")
    .orderBy("model")
    .orderBy("match")
    .orderBy("valid_from", (order) => order.asc().nullsFirst())
    .orderBy("above_input_tokens")
    .execute();
}

/** More than these nobody reads; --json has them all. */
const SHOWN = 200;

const HEADS: Readonly<Record<string, string>> = {
  input: "input",
  cache_read: "read",
  cache_write: "write",
  cache_write_1h: "write 1h",
  output: "output",
  reasoning: "reasoning",
  request: "per call",
};

function printPrices(book: string, rows: readonly PricesRow[]): void {
  if (rows.length === 0) {
    print(`Book ${book} has no such price`);
    return;
  }
  const lines = new Map<string, PricesRow[]>();
  for (const row of rows) {
    const { provider, model, match, above_input_tokens, valid_from, valid_to } = row;
    const key = JSON.stringify([provider, model, match, above_input_tokens, valid_from, valid_to]);
    lines.set(key, [...(lines.get(key) ?? []), row]);
  }
  const classes = TOKEN_CLASSES.filter((token) => rows.some(({ token_class }) => token_class === token));
  const groups = [...lines.values()];
  printTable(
    `Book ${book}, dollars per million (* = any text, <date> = -YYYYMMDD or -YYYY-MM-DD)`,
    ["provider", "model", "valid", "prompt above", ...classes.map((token) => HEADS[token] ?? token)],
    groups.slice(0, SHOWN).map((group) => {
      const [first] = group;
      const price = (token: string): string => priceOf(group.find(({ token_class }) => token_class === token));
      return first
        ? [
            first.provider,
            nameOf(first),
            validityOf(first),
            amount(String(first.above_input_tokens)),
            ...classes.map(price),
          ]
        : [];
    }),
    3,
  );
  if (groups.length > SHOWN) {
    print(`${amount(String(groups.length - SHOWN))} more: narrow them by --provider and --model, or take --json`);
  }
}

/** Calls are priced one by one, whatever the unit of the book. */
function priceOf(row: PricesRow | undefined): string {
  if (row === undefined) return NOTHING;
  return row.token_class === "request" ? amount(movedPoint(row.usd_per_million)) : amount(row.usd_per_million);
}

/** A millionth of a decimal text, exact. */
function movedPoint(text: string): string {
  const [whole = "0", decimals = ""] = text.split(".");
  const digits = whole.padStart(7, "0");
  const moved = `${digits.slice(0, -6)}.${digits.slice(-6)}${decimals}`;
  return moved.replace(/\.?0+$/, "");
}

function nameOf({ match, model }: PricesRow): string {
  if (match === "prefix") return `${model}*`;
  if (match === "contains") return `*${model}*`;
  return match === "dated" ? `${model}<date>` : model;
}

function validityOf({ valid_from: from, valid_to: to }: PricesRow): string {
  const day = (at: Date): string => at.toISOString().replace(/T00:00:00\.000Z$/, "");
  return [from && `from ${day(from)}`, to && `until ${day(to)}`].filter(Boolean).join(" ") || "always";
}
