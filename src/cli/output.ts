/**
 * What the command line prints: JSON for programs, tables for people. Amounts are never rounded and never turned into floats. One
 * notation for what is not known, everywhere: `unknown` where nobody reported or priced anything, a trailing `?` where only a part is known, a
 * leading `~` where dollars are an estimate, at least in part.
 * Ids, labels and names of files come from anybody: what a terminal would obey in them is shown instead.
 */
import Table from "cli-table3";

/** Stands where there is no value: an uncapped channel has no total, an event that consumed nothing no tokens. */
export const NOTHING = "–";

/** Stands where there is a value and nobody reported it, or where there is no price for it. */
export const UNKNOWN = "unknown";

/** Says what the notation means; printed below what uses it. */
const LEGEND =
  "unknown = nobody reported it, or no price for it · ~ = estimated, charged without a receipt · ? = a part is unknown, or charged without a receipt";

/** Control characters, invisible ones that reorder what is beside them, and separators of lines. */
const OBEYED = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** The same text with nothing in it that a terminal would obey, a line break included: `\u{…}` stands for each. */
export function visible(text: string): string {
  return text.replaceAll(OBEYED, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A decimal text with separators of thousands, exact whatever its size. */
export function amount(text: string | null): string {
  return text === null ? NOTHING : text.replace(/^-?\d+/, (whole) => whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ","));
}

/**
 * A usage figure. `known` is the view's flag beside it: null where the event consumed nothing, false where at least a part was not
 * reported.
 */
export function reported(text: string | null, known: boolean | null): string {
  if (known === null) return NOTHING;
  if (known) return amount(text);
  return text === null || ZERO.test(text) ? UNKNOWN : `${amount(text)} ?`;
}

/** Dollars by what they rest on, as the views have them. */
export interface Dollars {
  /** Receipts and estimates; null where nobody could say any. */
  readonly usd: string | null;
  readonly usd_known: boolean;
  /** Charged without a receipt. */
  readonly estimated_usd: string;
  /** Events that nobody could price: nothing is charged for them. */
  readonly unknown_usd_events: string;
}

/** Dollars, marked as estimated where a part is, and as partly unknown where events are missing in them. */
export function dollars({
  usd,
  usd_known: known,
  estimated_usd: estimated,
  unknown_usd_events: unknown,
}: Dollars): string {
  if (known) return amount(usd ?? "0");
  const isMissing = unknown !== "0";
  if (isMissing && (usd === null || ZERO.test(usd))) return UNKNOWN;
  const shown = `${ZERO.test(estimated) && isMissing ? "" : "~"}${amount(usd ?? "0")}`;
  return isMissing ? `${shown} ?` : shown;
}

/** The columns of dollars by what they rest on. */
export const DOLLARS = ["receipts", "estimates", "unknown events"] as const;

/** Their cells. */
export function dollarParts(
  row: Pick<Dollars, "estimated_usd" | "unknown_usd_events"> & { receipt_usd: string },
): string[] {
  const { receipt_usd: receipts, estimated_usd: estimates, unknown_usd_events: unknown } = row;
  return [amount(receipts), ZERO.test(estimates) ? "0" : `~${amount(estimates)}`, amount(unknown)];
}

const ZERO = /^-?0(?:\.0*)?$/;

/** An instant to the second, in UTC: the same on every machine. */
export function instant(at: Date | null): string {
  return at === null ? NOTHING : at.toISOString().slice(0, 19).replace("T", " ");
}

/** No rules between rows: a tree drawn in the first column stays connected. */
const WITHOUT_RULES = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

/** Whether something was printed that the legend explains. */
let legendIsOwed = false;

/** Prints the legend, once, where something above needs it. */
export function printLegend(): void {
  if (legendIsOwed) print(LEGEND);
  legendIsOwed = false;
}

/** A cell: a text, or several below each other. */
type Cell = string | readonly string[];

/** A table under its title. The first `texts` columns are words, the others numbers. */
export function printTable(title: string, head: readonly string[], rows: readonly Cell[][], texts = 1): void {
  const colAligns = head.map((_, column) => (column < texts ? ("left" as const) : ("right" as const)));
  const table = new Table({ head: [...head], colAligns, chars: WITHOUT_RULES, style: { head: [], border: [] } });
  // Escaped before it is measured and drawn: the line breaks of the drawing are ours.
  table.push(...rows.map((row) => row.map((cell) => [cell].flat().map(visible).join("\n"))));
  print(title, ...table.toString().split("\n"));
  legendIsOwed ||= rows.flat(2).some((cell) => cell === UNKNOWN || cell.endsWith(" ?") || /^~-?\d/.test(cell));
}

/** Lines for people; one that is empty without any. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(asLines(lines));
}

/** Lines for people beside the result: failures, and where to go on. */
export function printError(...lines: readonly string[]): void {
  process.stderr.write(asLines(lines));
}

function asLines(lines: readonly string[]): string {
  return `${lines.map(visible).join("\n")}\n`;
}

/** The one JSON document of a verb. Amounts are the texts that the views give, instants ISO 8601. */
export function printJson(document: unknown): void {
  process.stdout.write(`${json(document, 2)}\n`);
}

/** One document of a stream of them. */
export function printJsonLine(document: unknown): void {
  process.stdout.write(`${json(document)}\n`);
}

/** One document on a line beside the result. */
export function printJsonError(document: unknown): void {
  process.stderr.write(`${json(document)}\n`);
}

/** JSON's own rules leave DEL and the controls behind it as they are, which some terminals obey. */
function json(document: unknown, indent?: number): string {
  const text = JSON.stringify(document, null, indent);
  return text.replaceAll(/[\u007f-\u009f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
