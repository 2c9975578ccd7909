/** Tables for people. */
import Table from "cli-table3";

/** Stands where there is no value: an uncapped channel has no total. */
export const NOTHING = "–";

/** A decimal number with separators of thousands. */
export function amount(text: string | null): string {
  return text === null ? NOTHING : text.replace(/^-?\d+/, (whole) => Number(whole).toLocaleString("en-US"));
}

/** No rules between rows: a tree drawn in the first column stays connected. */
const WITHOUT_RULES = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

/** Prints a table under its title. The first `texts` columns are words, the others numbers. */
export function printTable(title: string, head: string[], rows: string[][], texts = 1): void {
  const colAligns = head.map((_, column) => (column < texts ? ("left" as const) : ("right" as const)));
  const table = new Table({ head, colAligns, chars: WITHOUT_RULES, style: { head: [], border: [] } });
  table.push(...rows);
  console.log(`\n${title}\n${table.toString()}`);
}
