/** What an import did, as plain JSON. */
import type { Problem } from "./problems.js";

/**
 * Model calls of a session. Each is in exactly one of the four: `booked` before, `new`, `waiting`, or counted `elsewhere`; those that
 * nothing counts are in none, and a problem tells their number.
 */
export interface CallsReport {
  /** Calls in the session's files. */
  readonly found: number;
  /** Booked by this import. */
  readonly new: number;
  /** In children that are not settled yet. */
  readonly waiting: number;
  /** How many are counted in which other session. */
  readonly elsewhere: readonly { readonly session: string; readonly calls: number }[];
  /** Corrections booked by this import: of calls, and of settled children. */
  readonly corrected: number;
}

/** Sub-agents that the session counts itself. */
export interface ChildrenReport {
  readonly found: number;
  /** Spawned and settled by this import. */
  readonly spawned: number;
  readonly settled: number;
  /** Not settled yet: the session is not quiet. */
  readonly open: number;
  /** Not let in by the budget: their calls are metered in the run's own pool. */
  readonly refused: number;
}

/** One session. */
export interface SessionReport {
  /** The run, its pool and its root node have this id: the session's. */
  readonly run: string;
  readonly files: number;
  readonly calls: CallsReport;
  readonly children: ChildrenReport;
  /** Calls that summed the conversation up. */
  readonly compactions: number;
  /** Entries that look like calls and asked no model: not booked. */
  readonly synthetic: number;
  /** False where the session's main file is missing. */
  readonly driverKnown: boolean;
  readonly problems: readonly Problem[];
}

/** Sums over the sessions. */
export interface Totals {
  readonly sessions: number;
  readonly files: number;
  readonly calls: number;
  readonly new: number;
  readonly corrected: number;
  readonly elsewhere: number;
  readonly waiting: number;
  readonly children: number;
  readonly compactions: number;
  readonly problems: number;
}

/** The whole import: `problems` are those of no session. */
export interface ImportReport {
  readonly folder: string;
  readonly sessions: readonly SessionReport[];
  readonly problems: readonly Problem[];
  readonly totals: Totals;
}

/** Puts the report together. */
export function reportOf(
  folder: string,
  sessions: readonly SessionReport[],
  problems: readonly Problem[],
): ImportReport {
  const total = (of: (session: SessionReport) => number): number => sessions.map(of).reduce((a, b) => a + b, 0);
  const totals: Totals = {
    sessions: sessions.length,
    files: total(({ files }) => files),
    calls: total(({ calls }) => calls.found),
    new: total(({ calls }) => calls.new),
    corrected: total(({ calls }) => calls.corrected),
    elsewhere: total(({ calls }) => calls.elsewhere.reduce((sum, { calls: some }) => sum + some, 0)),
    waiting: total(({ calls }) => calls.waiting),
    children: total(({ children }) => children.found),
    compactions: total(({ compactions }) => compactions),
    problems: problems.length + total((session) => session.problems.length),
  };
  return { folder, sessions, problems, totals };
}
