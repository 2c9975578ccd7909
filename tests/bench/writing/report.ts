/** What the writing benchmark says: the table, a line for everything else, and the same as JSON. */
import Table from "cli-table3";
import { type Facts, factsText } from "../machine.js";
import { rangeText } from "../spread.js";
import type { Figure, Options, Outcome, Side } from "./case.js";

/** What a case came to, and how long it took. */
export interface CaseReport extends Outcome {
  readonly name: string;
  readonly about: string;
  readonly seconds: number;
}

/** Everything a run found. */
export interface Report {
  /** Of this object: it counts up when a field is renamed or changes its meaning. */
  readonly shape: 1;
  /** When it began, ISO. */
  readonly date: string;
  readonly ledger: Facts;
  readonly machine: Facts;
  readonly server: Facts;
  /** Who sent one operation a call. */
  readonly generator: "pgbench" | "node";
  readonly options: Options;
  readonly cases: readonly CaseReport[];
}

/** All figures, in order. */
export function figuresOf({ cases }: Pick<Report, "cases">): readonly Figure[] {
  return cases.flatMap(({ figures }) => figures);
}

/** Everything that is wrong with the books. Empty = sound. */
export function wrongOf({ cases }: Pick<Report, "cases">): readonly string[] {
  return cases.flatMap(({ wrong }) => wrong);
}

/** Repetitions per transaction. */
function retriesText({ transactions, retries }: Side): string {
  return transactions === 0 ? "–" : `${retries}/${transactions.toLocaleString("en")}`;
}

/** The figures as people read them. */
export function tableOf(figures: readonly Figure[]): string {
  const table = new Table({
    head: ["case", "measured", "", "retries", "beside", "", "retries", "unit", "ratio", "target", ""],
    style: { head: [], border: [] },
  });
  for (const { name, unit, measured, baseline, value, target, met } of figures) {
    table.push([
      name,
      measured.what,
      rangeText(measured),
      retriesText(measured),
      baseline?.what ?? "–",
      baseline ? rangeText(baseline) : "–",
      baseline ? retriesText(baseline) : "–",
      unit,
      baseline ? rangeText(value) : "–",
      target ? `${target.bound} ${target.value}` : "–",
      met === null ? "" : met ? "ok" : "MISSED",
    ]);
  }
  return table.toString();
}

/** Everything else, a line each. */
export function linesOf({ date, ledger, machine, server, options, cases }: Report): string {
  const took = cases.map(({ name, seconds }) => `${name} ${seconds.toFixed(0)} s`).join(" · ");
  return [
    `ledger   ${factsText(ledger)} · ${date}`,
    `machine  ${factsText(machine)}`,
    `server   ${factsText(server)}`,
    `options  ${factsText(options)}`,
    `took     ${took}`,
    ...cases.flatMap(({ notes }) => notes).map((note) => `note     ${note}`),
  ].join("\n");
}
