/**
 * What the command line prints: JSON for programs, tables for people. Amounts are never rounded and never turned into floats. One
 * notation for what is not known, everywhere: `unknown` where nobody reported anything, a trailing `?` where only a part is known.
 */
import Table from "cli-table3";

/** Stands where there is no value: an uncapped channel has no total, an event that consumed nothing no tokens. */
export const NOTHING = "–";

/** Stands where there is a value and nobody reported it. */
export const UNKNOWN = "unknown";

/** Says what the notation means; printed below what uses it. */
const LEGEND = "unknown = nobody reported it · ? = a part is unknown, or charged without a receipt";

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
  return text === null || /^-?0(?:\.0*)?$/.test(text) ? UNKNOWN : `${amount(text)} ?`;
}

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

/** A table under its title. The first `texts` columns are words, the others numbers. */
export function printTable(title: string, head: readonly string[], rows: readonly string[][], texts = 1): void {
  const colAligns = head.map((_, column) => (column < texts ? ("left" as const) : ("right" as const)));
  const table = new Table({ head: [...head], colAligns, chars: WITHOUT_RULES, style: { head: [], border: [] } });
  table.push(...rows);
  print(`${title}\n${table.toString()}`);
  legendIsOwed ||= rows.flat().some((cell) => cell === UNKNOWN || cell.endsWith(" ?"));
}

/** A line, or several, for people. */
export function print(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** A line for people beside the result: failures, and where to go on. */
export function printError(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The one JSON document of a verb. Amounts are the texts that the views give, instants ISO 8601. */
export function printJson(document: unknown): void {
  print(JSON.stringify(document, null, 2));
}

/** One document of a stream of them. */
export function printJsonLine(document: unknown): void {
  print(JSON.stringify(document));
}
