/** Imports a file of spans: calls of models, and tools, as the programs that made them told OpenTelemetry. */
import type { Ledger } from "../../ledger/ledger.js";
import { Ingest, type Where } from "./ingest.js";
import { Links } from "./links.js";
import { readSpans } from "./read.js";
import type { IngestReport, Problem } from "./report.js";
import { checkWhere } from "./where.js";

/** What an import did; problems of lines stand before those of spans. */
export interface ImportReport extends IngestReport {
  readonly file: string;
}

/** The part of a ledger that an import uses. */
export type Importing = Pick<Ledger, "apply" | "read" | "db" | "tenantId">;

/**
 * Imports it; importing it again, or another file with some of the same spans, changes nothing.
 * @throws {Complaint} where the file holds no spans, or there is no such pool; {LedgerError} where the ledger cannot be reached: import
 *   again, and it goes on.
 */
export async function importOtel(ledger: Importing, file: string, where: Where = {}): Promise<ImportReport> {
  const { torn, ...read } = await readSpans(file);
  await checkWhere(ledger, where);
  const report = await new Ingest(ledger, where, new Links(read.spans.length)).book(read);
  const problems: Problem[] = [...torn, ...report.problems];
  return { file, ...report, rejected: report.rejected + torn.length, problems };
}
