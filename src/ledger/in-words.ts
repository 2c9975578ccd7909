/** What is wrong with a value, in words for whoever gave it: what it must be, which names there are. Zod's own texts say neither. */
import { z } from "zod";

type Raw = z.core.$ZodRawIssue;
type Issue = z.core.$ZodIssue;

/** The types that an input may have, as one says it. */
const TYPES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a finite number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  date: "a Date",
};

/** The rule that was broken, where the schema does not say it itself; undefined leaves it to zod. */
export function inWords(issue: Raw): string | undefined {
  const rule = ruleOf(issue);
  if (rule === undefined || issue.input !== undefined || issue.code === "invalid_key") return rule;
  return issue.code === "invalid_type" && issue.expected === "nonoptional" ? rule : `is required: it ${rule}`;
}

function ruleOf(issue: Raw): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.expected === "nonoptional") return "is required";
      return `must be ${typeOf(issue.expected)}${keysWithin(issue.inst)}${instead(issue.input)}`;
    case "unrecognized_keys": {
      const keys = issue.keys.map((key) => `"${key}"`).join(", ");
      return `has the unknown key ${keys}: there can be ${keysOf(issue.inst).join(", ") || "none"}`;
    }
    case "invalid_value":
      return oneOf(issue.values);
    case "invalid_key":
      return issue.issues[0]?.message;
    case "invalid_union":
      return Array.isArray(issue.options) ? oneOf(issue.options) : ruleOfUnion(issue);
    case "too_small":
      return `must ${sized(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "too_big":
      return `must ${sized(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum)}`;
    default:
      return undefined;
  }
}

const typeOf = (expected: string): string => TYPES[expected] ?? expected;

const oneOf = (values: readonly unknown[]): string =>
  `must be ${values.length > 1 ? "one of " : ""}${values.map(String).join(", ")}`;

function sized(origin: string, comparison: string, bound: number | bigint): string {
  if (origin === "string") return `have ${comparison} ${bound} characters`;
  if (origin === "array") return `have ${comparison} ${bound} entries`;
  return `be ${comparison} ${bound}`;
}

/** Of a form that the input has, its rule; else all forms. */
function ruleOfUnion({ errors, input }: Raw & { readonly code: "invalid_union" }): string | undefined {
  const first = errors.flatMap(([issue]: readonly Issue[]) => issue ?? []);
  const nearest = first.find(({ code, path }) => code !== "invalid_type" || path.length > 0);
  if (nearest) return nearest.message;
  const expected = first.flatMap((issue) => (issue.code === "invalid_type" ? typeOf(issue.expected) : []));
  return `must be ${[...new Set(expected)].join(" or ")}${instead(input)}`;
}

/** What it is. Texts are not repeated: they may be secret, or long. */
function instead(input: unknown): string {
  if (input === undefined) return "";
  if (input === null || ["number", "boolean"].includes(typeof input)) return `, not ${input}`;
  if (Array.isArray(input)) return ", not a list";
  return `, not ${TYPES[typeof input] ?? `a ${typeof input}`}`;
}

/** The keys of an object's schema, `?` = may be left out. */
function keysOf(schema: unknown): string[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  return Object.entries(shape).map(([key, { _zod }]) => (_zod.optin === "optional" ? `${key}?` : key));
}

function keysWithin(schema: unknown): string {
  const keys = keysOf(schema);
  return keys.length === 0 ? "" : ` with ${keys.join(", ")}`;
}

/** The first thing that is wrong; where something is missing, with the names beside it that nobody knows: one may be misspelt. */
export function firstIn(issues: readonly Issue[]): { readonly path: readonly string[]; readonly rule: string } {
  const [issue] = issues;
  if (!issue) return { path: [], rule: "is malformed" };
  const path = issue.path.map(String);
  const beside = issues.find(
    (other) => other.code === "unrecognized_keys" && other.path.map(String).join() === path.slice(0, -1).join(),
  );
  const misspelt = issue !== beside && issue.message.startsWith("is required") && path.length > 0 ? beside : undefined;
  return { path, rule: misspelt ? `${issue.message}; the object ${misspelt.message}` : issue.message };
}
