/** What the benchmark says: the machine, the table, and the same as JSON. */
import Table from "cli-table3";
import { type Facts, factsText } from "../machine.js";
import { rangeText } from "../spread.js";
import type { Sizes } from "./case.js";
import type { Figure } from "./measure.js";

/** Everything a run of the benchmark found. */
export interface Report {
  readonly machine: Facts;
  readonly server: Facts;
  readonly sizes: Sizes;
  /** Seconds that writing the books took, and how many events were written, per books. */
  readonly written: Record<string, { seconds: number; operations: number }>;
  readonly figures: readonly Figure[];
  /** Answers that differ, and what `ledger.audit` found. Empty = sound. */
  readonly wrong: readonly string[];
}

/** The figures as people read them. */
export function tableOf(figures: readonly Figure[]): string {
  const table = new Table({
    head: ["case", "statistics", "baseline", "ms", "measured", "ms", "ratio", "target", ""],
    style: { head: [], border: [] },
  });
  for (const figure of figures) {
    table.push([
      figure.name,
      figure.statistics,
      figure.baseline.what,
      rangeText(figure.baseline),
      figure.measured.what,
      rangeText(figure.measured),
      rangeText(figure.ratio),
      `<= ${figure.target}`,
      figure.withinTarget ? "ok" : "MISSED",
    ]);
  }
  return table.toString();
}

/** Everything else, a line each. */
export function linesOf({ machine, server, sizes, written }: Report): string {
  const books = Object.entries(written).map(([name, { seconds, operations }]) => {
    return `${name}: ${operations} operations in ${seconds.toFixed(1)} s (${Math.round(operations / seconds)}/s)`;
  });
  return [
    `machine  ${factsText(machine)}`,
    `server   ${factsText(server)}`,
    `sizes    ${factsText(sizes)}`,
    `written  ${books.join(" · ")}`,
  ].join("\n");
}
