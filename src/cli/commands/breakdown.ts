/** `agent-ledger breakdown <run>`: where a run's spend comes from. */
import type { Command } from "commander";
import { sum } from "../../ledger/amounts.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { amount, DOLLARS, dollarParts, dollars, NOTHING, print, printJson, printTable, reported } from "../output.js";
import { type BookPrices, readBookPrices } from "../reports/book-prices.js";
import { type BreakdownReport, type Figures, readBreakdown } from "../reports/breakdown.js";
import { noSuchRun } from "../reports/no-such.js";
import { drawParts } from "../tree.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addBreakdown(program: Command): void {
  const command = program
    .command("breakdown")
    .argument("<run>", "its id")
    .option("--book <name>", "price the same usage under that book too; several stand side by side", more)
    .description("driver inference (turns, compaction) beside child work, and per model");
  addWork(command, (options: ConnectionOptions & { readonly book?: readonly string[] }, run: string) =>
    readLedger(options, async (ledger) => {
      const breakdown = (await readBreakdown(ledger, run)) ?? noSuchRun(run, ledger.tenantId);
      const books = options.book && (await readBookPrices(ledger, run, options.book));
      if (options.json) {
        printJson(books ? { ...breakdown, books } : breakdown);
        return;
      }
      printBreakdown(breakdown);
      if (books) printBookPrices(books);
    }),
  );
}

function more(name: string, before: readonly string[] = []): string[] {
  return before.includes(name) ? [...before] : [...before, name];
}

/** What drivers use calls for, in the plural of the table. */
const PURPOSES: Readonly<Record<string, string>> = { turn: "turns", failed: "failed calls", tool: "tools" };

const FIGURES = ["calls", "input tokens", "cache reads", "cache writes", "output tokens"];

/** The breakdown as two tables. */
export function printBreakdown({
  sources,
  driver_by_purpose: purposes,
  children,
  by_model: models,
}: BreakdownReport): void {
  const driver = callsIn(purposes);
  const callsOf: Readonly<Record<string, Calls>> = {
    driver_inference: driver,
    child_work: children,
    total: callsIn([driver, children]),
  };
  const names = purposes.map(({ purpose }) => (purpose === null ? "other" : (PURPOSES[purpose] ?? purpose)));
  const [driverLine = "", ...purposeLines] = drawParts("driver inference", names);
  const rows = sources.flatMap((row) => {
    const figures = figuresOf({ ...row, ...callsIn([callsOf[row.source] ?? driver]) });
    const spent = [...figures, dollars(row), ...dollarParts(row)];
    if (row.source !== "driver_inference") return [[row.source.replace("_", " "), ...spent]];
    return [
      [driverLine, ...spent],
      ...purposes.map((part, index) => [
        purposeLines[index] ?? "",
        ...[...figuresOf(part), dollars(part), ...dollarParts(part)],
      ]),
    ];
  });
  printTable(
    "Where the run's spend comes from (input tokens include cache reads and writes)",
    ["source", ...FIGURES, "usd", ...DOLLARS],
    rows,
  );
  if (models.length === 0) return;
  print();
  printTable(
    "By model",
    ["provider", "model", ...FIGURES, ...DOLLARS],
    models.map((part) => [part.provider ?? NOTHING, part.model ?? NOTHING, ...figuresOf(part), ...dollarParts(part)]),
    2,
  );
}

type Calls = Pick<Figures, "calls" | "calls_known">;

function callsIn(parts: readonly Calls[]): Calls {
  return {
    calls: sum(parts.map((part) => part.calls)),
    calls_known: parts.every((part) => part.calls_known),
  };
}

function figuresOf(
  row: Omit<Figures, "usd" | "usd_known" | "receipt_usd" | "estimated_usd" | "unknown_usd_events">,
): string[] {
  const { tokens_known: known } = row;
  return [
    reported(row.calls, row.calls_known),
    reported(row.input_tokens, known),
    reported(row.cache_read_tokens, known),
    reported(row.cache_write_tokens, known),
    reported(row.output_tokens, known),
  ];
}

/** Models below each other, books side by side. */
function printBookPrices(books: readonly BookPrices[]): void {
  const models = books[0]?.by_model ?? [];
  const cell = (part: { readonly usd: string | null; readonly unpriced_calls: string } | undefined): string =>
    part === undefined
      ? NOTHING
      : dollars({
          usd: part.usd,
          usd_known: false,
          estimated_usd: part.usd ?? "0",
          unknown_usd_events: part.unpriced_calls,
        });
  print();
  printTable(
    "The same usage under price books (what is booked stays what it is)",
    ["provider", "model", "calls", ...books.map(({ book }) => book)],
    [
      ...models.map(({ provider, model, calls }) => [
        provider ?? NOTHING,
        model ?? NOTHING,
        amount(calls),
        ...books.map((book) => cell(book.by_model.find((one) => one.provider === provider && one.model === model))),
      ]),
      ["total", "", amount(books[0]?.calls ?? "0"), ...books.map(cell)],
    ],
    2,
  );
}
