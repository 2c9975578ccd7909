/** What a case of the benchmark is. */
import type pg from "pg";

/** How much is written and read; the defaults are the sizes the targets are stated for. */
export interface Sizes {
  /** Nodes of the one big run, and events in its journal. */
  readonly nodes: number;
  readonly events: number;
  /** Runs among which one is read. */
  readonly runs: number;
  /** Runs of the experiment that the gate is asked about. */
  readonly gatedRuns: number;
  /** Depths of the chains, ascending. */
  readonly chains: readonly number[];
}

/** The sizes of the targets. */
export const FULL: Sizes = {
  nodes: 100_000,
  events: 1_000_000,
  runs: 10_000,
  gatedRuns: 1000,
  chains: [500, 2500, 5000],
};

/** A look at whether everything works. Times mean nothing here. */
export const SMALL: Sizes = { nodes: 200, events: 1000, runs: 20, gatedRuns: 8, chains: [5, 10, 20] };

/** Connections to the same books; none compiles queries (`jit`), as the client does not. */
export interface Readers {
  /** The superuser: no policy applies. */
  readonly superuser: pg.ClientBase;
  /** The role that owns the tables, to which a policy without a condition applies. */
  readonly owner: pg.ClientBase;
  /** A login in `ledger_auditor`, bound to the tenant of its name. */
  readonly auditors: Readonly<Record<Books, pg.ClientBase>>;
  /** The superuser in a database in which there is one run, the same as the middle one of many. */
  readonly alone: pg.ClientBase;
}

/** The books there are, each a tenant of that name. */
export type Books = "tree" | "many" | "arms" | "chains";

/** Something whose time is taken. */
export interface Work {
  /** In a few words, for the table. */
  readonly what: string;
  /** Its time is divided by this: what one node of a chain takes. */
  readonly per?: number;
  /** Runs it to its last row, without sending rows. */
  run(readers: Readers): Promise<unknown>;
}

/** A figure and its target: `measured` takes at most `target` times as long as `baseline`. */
export interface Case {
  /** Chooses the case on the command line; unique. */
  readonly name: string;
  /** Which books must be written for it. */
  readonly books: readonly Books[];
  readonly baseline: Work;
  readonly measured: Work;
  readonly target: number;
  /** How often each is run. */
  readonly rounds: number;
  /** Compares the answers of both where they must agree; answers what is wrong. */
  check(readers: Readers): Promise<readonly string[]>;
}

/** Runs a query to the end on the server, every column of every row worked out and none sent. */
export async function readAll(client: pg.ClientBase, text: string): Promise<void> {
  await client.query(`explain (analyze, timing off, costs off) ${text}`);
}

/** The one value of a query. */
export async function oneValue(client: pg.ClientBase, text: string): Promise<string> {
  const { rows } = await client.query({ text: `select (${text})::text as value`, rowMode: "array" });
  return String(rows[0]?.[0]);
}

/** A complaint where two answers differ. */
export function differing(what: string, expected: string, found: string): string[] {
  return expected === found ? [] : [`${what}: expected ${expected}, found ${found}`];
}
