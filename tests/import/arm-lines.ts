/** Files of results for tests of their import. */
import { type ImportOptions, importArms } from "../../src/import/arms/import.js";
import type { ImportReport } from "../../src/import/arms/report.js";
import type { Books, Row } from "./books.js";
import { folderOf } from "./files.js";

type Fields = Record<string, unknown>;

/** A line of 120 tokens and half a dollar; fields that are undefined are left out. */
export const line = (fields: Fields = {}): Fields => ({
  experiment: "e",
  arm: "a",
  task: "t",
  input_tokens: 100,
  output_tokens: 20,
  usd: "0.5",
  ...fields,
});

/** A file in a fresh folder: lines, or a text. */
export const fileOf = (content: string | readonly unknown[]): string =>
  `${folderOf({ "arms.jsonl": content })}/arms.jsonl`;

/** Imports lines. */
export const load = (books: Books, lines: readonly unknown[], options: ImportOptions = {}): Promise<ImportReport> =>
  importArms(books.ledger, fileOf(lines), options);

/** The runs there are. */
export const runs = (books: Books): Promise<Row[]> =>
  books.rows(
    `select run_id, label, experiment, arm, task, replicate, outcome, resolved, infra from ledger.runs where tenant_id = $1 order by run_id`,
  );
