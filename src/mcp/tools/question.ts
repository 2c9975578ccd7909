/** Tool `question`: the questions of an audit by their names, each a query of its own (`questions/`). */
import { z } from "zod";
import { LedgerError } from "../../ledger/errors.js";
import { id } from "../../ledger/schemas.js";
import { argument, assertRunsShown, assertUnbound, poolOf, runOf, type View } from "../bounds.js";
import { budgets } from "../questions/budgets.js";
import { doubt } from "../questions/doubt.js";
import type { Asked, Question } from "../questions/question.js";
import { spend } from "../questions/spend.js";
import { argumentsOf, counted, cut, tool, USUAL_ROWS } from "../tool.js";

const QUESTIONS = { ...budgets, ...spend, ...doubt } satisfies Record<string, Question>;

type Name = keyof typeof QUESTIONS;
const NAMES = Object.keys(QUESTIONS) as [Name, ...Name[]];

/** Questions that make no sense of nothing in particular. */
const NEED_A_RUN: readonly Name[] = ["money_by_node", "price_books"];

const listed = NAMES.map((name) => {
  const { takes, asks } = QUESTIONS[name];
  return `${name}${takes.length > 0 ? ` (${takes.join(", ")})` : ""}: ${asks}`;
});

/** The tool. */
export const question = tool({
  name: "question",
  title: "Questions of an audit",
  description: `Asks the books a question by its name; what can be named beside it stands in brackets.\n${listed.join("\n")}`,
  input: z.strictObject({
    question: z.enum(NAMES),
    pool: id.optional().describe("Only of that pool"),
    run: id.optional().describe("Only of that run"),
    experiment: id.optional().describe("Only of that experiment"),
    limit: argumentsOf.limit,
  }),
  output: z.object({
    question: z.enum(NAMES),
    rows: z.array(z.record(z.string(), z.unknown())),
    truncated: z.boolean(),
  }),
  async answer(view, { question: name, limit = USUAL_ROWS, ...asked }) {
    const found = await QUESTIONS[name].rows(view, await about(view, name, asked), limit + 1);
    const { rows, truncated } = cut(found.map(withoutTenant), limit);
    return { says: `${name}: ${counted(rows.length, "row", truncated)}`, content: { question: name, rows, truncated } };
  },
});

/** What the question is about: named, there, and shown. */
async function about(view: View, name: Name, asked: Asked): Promise<Asked> {
  const { takes, of }: Question = QUESTIONS[name];
  for (const key of ["pool", "run", "experiment"] as const) {
    if (asked[key] === undefined || takes.includes(key)) continue;
    const rule = `is not what ${name} takes, which is ${takes.join(", ") || "nothing"}`;
    throw new LedgerError("LG001", `${argument(key)}: ${rule}`, { detail: { path: argument(key), rule } });
  }
  // Arms are shown with all others of their experiment, or not at all.
  if (of === "tenant" || (of === "experiments" && asked.experiment === undefined)) assertUnbound(view, "question");
  if (of === "runs") assertRunsShown(view, "question");
  return {
    ...asked,
    ...(asked.pool !== undefined && { pool: await poolOf(view, asked.pool) }),
    ...((asked.run !== undefined || NEED_A_RUN.includes(name)) && { run: await runOf(view, asked.run) }),
  };
}

function withoutTenant(row: object): Record<string, unknown> {
  const { tenant_id: _, ...rest } = row as Record<string, unknown>;
  return rest;
}
