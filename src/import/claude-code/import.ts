/** Imports sessions of Claude Code: each becomes a run, its sub-agents children, every model call is counted once. */

import { resolve } from "node:path";
import { type Books, bookSession, type Writing } from "./book.js";
import { readHolders, readPlaces } from "./booked.js";
import { Claims } from "./claims.js";
import { findSessions } from "./folder.js";
import { meterId, spawnId } from "./ids.js";
import { type ImportReport, reportOf, type SessionReport } from "./report.js";
import { readSession, type Session } from "./session.js";

/** How to import. */
export interface ImportOptions {
  /** Totals of each run's pool by channel, such as `{ tokens: "1000000", usd: "5" }`; without it pools are uncapped. A run that exists keeps its own. */
  readonly budget?: Readonly<Record<string, string>>;
  /** Settles children now, not after ten quiet minutes. */
  readonly final?: boolean;
  /** The moment that quiet is measured at; default now. */
  readonly now?: Date;
  /** Hears of every session read and of every session booked, as steps `done` of `total`. */
  readonly onProgress?: (progress: { session: string; done: number; total: number }) => void;
}

/** A session is at rest when nothing was written to any of its files for so long. */
const QUIET_MS = 10 * 60_000;

/**
 * Imports what `folder` holds: a project's folder, a folder of projects, or one session's file. Importing again adds nothing;
 * importing what has grown ends in the same sums as importing it once. Bad input is reported and costs nothing else.
 * @throws {Complaint} where `folder` holds no session, or a run cannot be opened (what `budget` says wrong).
 */
export async function importClaudeCode(
  ledger: Writing,
  folder: string,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const found = await findSessions(resolve(folder));
  const total = 2 * found.sessions.length;
  let done = 0;
  const step = (session: string): void => options.onProgress?.({ session, done: ++done, total });

  const sessions: Session[] = [];
  for (const files of found.sessions) {
    sessions.push(await readSession(files, found.root, Date.now()));
    step(files.id);
  }
  sessions.sort(byTime);
  const { where, refused } = await readPlaces(ledger, sessions.flatMap(operationsOf));
  const claims = new Claims(where, await readHolders(ledger), sessions);
  const books: Books = { ledger, where, refused, claims, ...(options.budget && { budget: options.budget }) };
  const now = options.now?.getTime() ?? Date.now();
  const reports: SessionReport[] = [];
  for (const session of sessions) {
    const settle = options.final === true || session.lastAt === undefined || now - session.lastAt >= QUIET_MS;
    reports.push(await bookSession(books, session, settle));
    step(session.id);
  }
  return reportOf(folder, reports, found.problems);
}

/** The order in which sessions may count what several hold: who began first, then who ended first. */
function byTime(a: Session, b: Session): number {
  const never = Number.MAX_SAFE_INTEGER;
  return (
    (a.firstAt ?? never) - (b.firstAt ?? never) || (a.lastAt ?? never) - (b.lastAt ?? never) || (a.id < b.id ? -1 : 1)
  );
}

/** Every operation id that would say who counts a call, as far as it is known before it is planned. */
function operationsOf({ turns = [], compactions, children }: Session): string[] {
  const own = [...turns, ...compactions].map(({ key }) => meterId(key));
  return [...own, ...children.flatMap(({ calls }) => calls.flatMap(({ key }) => [meterId(key), spawnId(key)]))];
}
