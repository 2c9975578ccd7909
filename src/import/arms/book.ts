/**
 * Books lines, some per call. A line is booked whole or not at all: what a line's opening meets must not leave its spend in somebody
 * else's pool, and a run without its spend would look as if it had cost nothing. So calls are atomic; where one fails, its lines are
 * asked one by one. Nothing is kept of a line that failed, so that it can be imported again when its cause is gone.
 */
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Answer } from "../../ledger/protocol.js";
import { type Planned, sent } from "./operations.js";
import { explain } from "./refused.js";
import type { Problem } from "./report.js";

/** Lines per call: at most 200 operations. */
export const LINES = 50;

/** What became of a line. */
export type Outcome = "new" | "completed" | "existing" | Problem;

/**
 * Books up to `LINES` lines and answers each. `inOrder`: each line to its end before the next begins, because lines meet in a pool
 * above; else openings together and spends together, which the ledger does faster.
 */
export async function bookLines(
  ledger: Pick<Ledger, "apply">,
  lines: readonly Planned[],
  inOrder: boolean,
): Promise<Outcome[]> {
  const asked = lines.flatMap(({ operations }, line) => operations.map((operation) => ({ line, operation })));
  if (!inOrder) asked.sort((a, b) => ORDER.indexOf(a.operation.step) - ORDER.indexOf(b.operation.step));
  let answers: Answer[];
  try {
    answers = await ledger.apply(
      asked.map(({ operation }) => sent(operation)),
      { atomic: true },
    );
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "LG008") throw error;
    const [only] = lines;
    if (lines.length === 1 && only) return [explain(only, error.detail)];
    const outcomes: Outcome[] = [];
    for (const line of lines) outcomes.push(...(await bookLines(ledger, [line], inOrder)));
    return outcomes;
  }
  const booked = new Map<number, Set<string>>(lines.map((_, line) => [line, new Set()]));
  answers.forEach(({ status }, position) => {
    const one = asked[position];
    if (one && status === "ok") booked.get(one.line)?.add(one.operation.step);
  });
  return lines.map((_, line) => {
    const steps = booked.get(line);
    if (!steps || steps.size === 0) return "existing";
    return steps.has("opened") ? "new" : "completed";
  });
}

const ORDER = ["opened", "metered", "judged", "closed"];
