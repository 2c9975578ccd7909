/** Imports results made elsewhere: each line of a file becomes a run of an experiment's arm, with its spend and its judgement. */
import { resolve } from "node:path";
import type { Ledger } from "../../ledger/ledger.js";
import { bookLines, LINES } from "./book.js";
import { readKept } from "./kept.js";
import { planLine } from "./operations.js";
import { readParent } from "./parent.js";
import { readLines } from "./read.js";
import { explainTakenBack } from "./refused.js";
import { armsOf, type ImportReport, type KeptLine, type Problem } from "./report.js";

/** How to import. */
export interface ImportOptions {
  /** The pool that the runs stand under. It pays, and may refuse. Without it they stand at the top. */
  readonly parent?: string;
  /** Hears of lines done, and the run that is next. */
  readonly onProgress?: (progress: { session: string; done: number; total: number }) => void;
}

/** The part of a ledger that an import uses. */
export type Writing = Pick<Ledger, "apply" | "db" | "tenantId">;

/**
 * Imports a file of JSON lines `{experiment, arm, task, replicate?, input_tokens, output_tokens, usd?, resolved?, infra?, provider?,
 * model?, at?}`. The file is checked first: where it has problems they are all reported, and nothing is written. Importing again
 * changes nothing; a line with another content than was imported is a problem of its own and stops no other.
 * @throws {Complaint} where there is no such file or parent; {LedgerError} where the ledger cannot be reached: import again, and it
 *   goes on.
 */
export async function importArms(ledger: Writing, file: string, options: ImportOptions = {}): Promise<ImportReport> {
  const { lines, problems, written } = await readLines(resolve(file));
  const nothing = { file, lines: written, new: 0, completed: 0, existing: 0, failed: 0, arms: [] };
  if (problems.length > 0) return { ...nothing, valid: false, problems };

  const parent = options.parent === undefined ? undefined : await readParent(ledger, options.parent);
  const counts = { new: 0, completed: 0, existing: 0 };
  const failures: Problem[] = [];
  const booked: KeptLine[] = [];
  for (let from = 0; from < lines.length; from += LINES) {
    const some = lines.slice(from, from + LINES).map((line) => planLine(line, parent));
    options.onProgress?.({ session: some[0]?.run ?? "", done: from, total: lines.length });
    const outcomes = await bookLines(ledger, some, parent !== undefined);
    const there = some.flatMap(({ run }, position) => (typeof outcomes[position] === "string" ? [run] : []));
    const kept = await readKept(ledger, there);
    some.forEach((planned, position) => {
      const outcome = outcomes[position];
      const run = kept.get(planned.run);
      const problem = typeof outcome === "string" ? run && explainTakenBack(planned, run) : outcome;
      if (problem) failures.push(problem);
      else if (typeof outcome === "string") {
        counts[outcome] += 1;
        if (run) booked.push({ line: planned.line, kept: run });
      }
    });
  }
  return { ...nothing, ...counts, valid: true, failed: failures.length, arms: armsOf(booked), problems: failures };
}
