/**
 * The lines of a file of results: one run of one arm on one task each. What is not known is left out (or null), which is not 0.
 * Nothing is guessed: a field of another name or form is a problem with its line, its rule and what to do.
 */
import { z } from "zod";
import { canonicalDecimal } from "../../ledger/amounts.js";
import { repeatedKeys } from "./keys.js";
import type { Problem } from "./report.js";

/** As the database's own rule for ids; separators of lines and halves of characters are nothing it could keep either. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

const isName = (text: string): boolean => text !== "" && [...text].length <= 200 && !UNPRINTABLE.test(text);

const isCount = (number: number): boolean => Number.isSafeInteger(number) && number >= 0;

const NAME = "must be a text of 1 to 200 characters without control characters";
const Name = z.string({ error: said(NAME) }).refine(isName, NAME);

const REPLICATE = `${NAME}, or a whole number from 0; leave it out where a task ran once`;
/** 1 and "1" are the same replicate: the ledger keeps texts. */
const Replicate = z
  .union([z.string(), z.number()], { error: REPLICATE })
  .refine((replicate) => (typeof replicate === "string" ? isName(replicate) : isCount(replicate)), REPLICATE)
  .transform(String);

const TOKENS = "must be a whole number of tokens from 0 to 9007199254740991";
const Tokens = z.number({ error: said(TOKENS) }).refine(isCount, TOKENS);

const DOLLARS =
  'must be dollars from 0 on, a number or a decimal text of at most 12 decimals such as "0.0173"; leave it out where nobody reported them';
/** What numeric(28,12) takes, with room for sums. */
const MONEY = /^\d{1,15}(?:\.\d{1,12})?$/;
/** Exact, in the one form that an amount has. */
const Dollars = z
  .union([z.number(), z.string().regex(/^\d+(?:\.\d+)?$/, DOLLARS)], { error: DOLLARS })
  .transform((usd) => String(canonicalDecimal(usd)))
  .refine((usd) => MONEY.test(usd), DOLLARS);

const FLAG = "must be true or false";
const Flag = z.boolean({ error: said(FLAG) });

const INSTANT = "must be an instant with a zone, such as 2026-03-01T09:30:00Z";
const Instant = z.iso
  .datetime({ offset: true, error: said(INSTANT) })
  .transform((text) => new Date(text).toISOString())
  .refine((at) => at <= new Date().toISOString(), "must not be in the future");

const optional = <S extends z.ZodType>(schema: S) =>
  schema.nullish().transform((value): z.output<S> | undefined => value ?? undefined);

const Line = z
  .strictObject(
    {
      experiment: Name,
      arm: Name,
      task: Name,
      replicate: optional(Replicate),
      input_tokens: Tokens,
      output_tokens: Tokens,
      usd: optional(Dollars),
      resolved: optional(Flag),
      infra: optional(Flag),
      provider: optional(Name),
      model: optional(Name),
      at: optional(Instant),
    },
    { error: (issue) => (issue.code === "invalid_type" ? "must be an object, one per line" : undefined) },
  )
  .refine(
    ({ input_tokens: input, output_tokens: output }) => ![input, output].every(isCount) || isCount(input + output),
    {
      path: ["output_tokens"],
      error: "and input_tokens must be at most 9007199254740991 together",
    },
  );

/** One line: dollars as exact decimal text, `at` in UTC. Undefined = not known. */
export type Line = z.output<typeof Line>;

/** The fields of a line. */
export const FIELDS = Object.keys(Line.shape).join(", ");

/** The rule; of a field that is not there, that it is required. */
function said(rule: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => (input === undefined ? `is required: it ${rule}` : rule);
}

/** The line that a text holds, or everything that is wrong with it. */
export function parseLine(text: string, line: number): Line | readonly Problem[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return [{ line, problem: "is not complete JSON: write one object per line, each on a line of its own" }];
  }
  const twice = repeatedKeys(text).map((field) => ({ line, field, problem: "is there more than once: leave one" }));
  const { success, data, error } = Line.safeParse(json);
  if (success) return twice.length > 0 ? twice : data;
  const problems = error.issues.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      const problem = `is no field of a line: remove it, or correct its spelling (fields: ${FIELDS})`;
      return issue.keys.map((field) => ({ line, field, problem }));
    }
    const field = issue.path.join(".");
    return [{ line, ...(field !== "" && { field }), problem: issue.message }];
  });
  return [...twice, ...problems];
}
