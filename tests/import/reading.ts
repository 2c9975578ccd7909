/** What the tests of the importer read of the books and of a report. */
import type { ImportOptions } from "../../src/import/claude-code/import.js";
import type { ImportReport, SessionReport } from "../../src/import/claude-code/report.js";
import type { Books } from "./books.js";
import { at } from "./files.js";

/** While the session is written to. */
export const LIVE: ImportOptions = { now: new Date(at(10)) };
/** When it is at rest. */
export const LATER: ImportOptions = { now: new Date(at(30)) };

/** The session of a report that has one. */
export function only({ sessions }: ImportReport): SessionReport {
  const [session, ...more] = sessions;
  if (!session || more.length > 0) throw new Error("one session was expected");
  return session;
}

/** Rows of one kind, in order. */
export const journal = (books: Books, kind: string) =>
  books.rows(
    `select node_id, operation_id, model, purpose, turn, tool_calls, detail, input_tokens::int as input, output_tokens::int as output,
       iterations::int, tokens_known, usd, usd_known, reason, effective_at
     from ledger.journal where tenant_id = $1 and kind = $2 order by pool_id, seq`,
    kind,
  );

/** A node's usage per model. */
export const models = (books: Books, node: string) =>
  books.rows(
    `select model, sum(iterations)::int as calls, sum(input_tokens)::int as input, sum(output_tokens)::int as output
     from ledger.usage_lines where tenant_id = $1 and node_id = $2 group by model
     having sum(iterations) <> 0 or sum(input_tokens) <> 0 order by model`,
    node,
  );

/** One row of a run's breakdown. */
export const total = async (books: Books, run: string, source = "total") =>
  (
    await books.rows(
      `select iterations::int, input_tokens::int as input, output_tokens::int as output, tokens_known
       from ledger.spent_breakdown where tenant_id = $1 and run_id = $2 and source = $3`,
      run,
      source,
    )
  )[0];
