/** What a batch that is not taken is answered with: exporters send it again after 503, and drop it after anything else. */
import { LedgerError } from "../../ledger/errors.js";

/** A request that is not taken, with its HTTP status. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * SQLSTATEs, most of them whole classes, that come of what is in a batch, so that they would come again: the ledger's own but for those of
 * its tenant and its connection, cardinality, data, constraints, limits of a program. Whatever else the ledger says is about itself or about
 * how it is run (no connection, no room, read-only, no permission, not migrated), and passes.
 */
const OF_THE_BATCH = /^(?:LG(?!006|009|012)|21|22|23|54)/;

/** The answer to whatever booking a batch threw. What the ledger did not throw is a mistake in this program, and would come again. */
export function refusalOf(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof Refused) return error;
  if (!(error instanceof LedgerError)) return { status: 500, message: "not booked" };
  const { code, name } = error;
  return { status: OF_THE_BATCH.test(code) ? 500 : 503, message: `not booked: ${code} ${name}` };
}
