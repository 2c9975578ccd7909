/** What a tool of the server is, and values that tools take and answer. */
import { z } from "zod";
import { id } from "../ledger/schemas.js";
import type { View } from "./bounds.js";

/** What a tool answers: `says` is the short text for people, `content` the figures. */
export interface ToolAnswer {
  readonly says: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** A tool. It reads views as of one moment, and is given nothing to write by. */
export interface LedgerTool<Input extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: z.ZodObject;
  answer(view: View, asked: z.output<Input>): Promise<ToolAnswer>;
}

/** A tool, typed by its own input. */
export function tool<Input extends z.ZodObject>(made: LedgerTool<Input>): LedgerTool {
  return made as unknown as LedgerTool;
}

/** Rows in one answer at most. */
const MOST_ROWS = 500;

/** Arguments that several tools take. */
export const argumentsOf = {
  pool: id.optional().describe("Id of a pool; left out: the one that the server is bound to"),
  run: id.optional().describe("Id of a run; left out: the one that the server is bound to"),
  limit: z
    .number()
    .int()
    .min(1)
    .max(MOST_ROWS)
    .optional()
    .describe(`Rows at most, ${MOST_ROWS} at the utmost; left out: 50`),
};

/** Rows where the caller does not say how many. */
export const USUAL_ROWS = 50;

/** Exact decimal text. */
export const amount = z.string();

/** Of a list that was asked for with one row more than is shown: what is shown, and whether there is more. */
export function cut<T>(rows: readonly T[], limit: number): { rows: T[]; truncated: boolean } {
  return { rows: rows.slice(0, limit), truncated: rows.length > limit };
}

/** `1 row`, `2 rows`, `the first 50 rows`. */
export function counted(rows: number, what: string, truncated: boolean): string {
  return `${truncated ? "the first " : ""}${rows} ${what}${rows === 1 ? "" : "s"}`;
}
