/** What the benchmark says: the machine, the table, and the same as JSON. */
import { availableParallelism, cpus, totalmem } from "node:os";
import Table from "cli-table3";
import type pg from "pg";
import type { Sizes } from "./case.js";
import type { Figure, Times } from "./measure.js";

/** What bears on times. */
const SETTINGS = [
  "shared_buffers",
  "work_mem",
  "hash_mem_multiplier",
  "max_parallel_workers_per_gather",
  "jit",
  "fsync",
  "synchronous_commit",
  "random_page_cost",
] as const;

/** Everything a run of the benchmark found. */
export interface Report {
  readonly machine: Record<string, string | number>;
  readonly server: Record<string, string>;
  readonly sizes: Sizes;
  /** Seconds that writing the books took, and how many events were written, per books. */
  readonly written: Record<string, { seconds: number; operations: number }>;
  readonly figures: readonly Figure[];
  /** Answers that differ, and what `ledger.audit` found. Empty = sound. */
  readonly wrong: readonly string[];
}

/** The machine, in classes. */
export function machineOf(): Report["machine"] {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memory_gb: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/** The server's version and settings. */
export async function serverOf(client: pg.ClientBase): Promise<Report["server"]> {
  const { rows } = await client.query<{ name: string; value: string }>(
    "select name, current_setting(name) as value from unnest($1::text[]) name",
    [["server_version", ...SETTINGS]],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const range = ({ median, least, most }: Times): string => `${digits(median)} (${digits(least)}–${digits(most)})`;

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
      range(figure.baseline),
      figure.measured.what,
      range(figure.measured),
      range(figure.ratio),
      `<= ${figure.target}`,
      figure.withinTarget ? "ok" : "MISSED",
    ]);
  }
  return table.toString();
}

/** Everything else, a line each. */
export function linesOf({ machine, server, sizes, written }: Report): string {
  const pairs = (values: object): string =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(" · ");
  const books = Object.entries(written).map(([name, { seconds, operations }]) => {
    return `${name}: ${operations} operations in ${seconds.toFixed(1)} s (${Math.round(operations / seconds)}/s)`;
  });
  return [
    `machine  ${pairs(machine)}`,
    `server   ${pairs(server)}`,
    `sizes    ${pairs(sizes)}`,
    `written  ${books.join(" · ")}`,
  ].join("\n");
}
