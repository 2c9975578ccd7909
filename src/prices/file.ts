/** Prices of one's own: a JSON array, or JSON lines, of rows as `putPrices` takes them. All is checked before anything is written. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import type { z } from "zod";
import { Complaint } from "../database/complaint.js";
import { type CheckedPrice, PRICE_MATCHES, priceRow, TOKEN_CLASSES } from "../ledger/prices.js";

/** A file of prices, read. */
export interface PriceFile {
  /** `<file>@<digest>`: other content makes another book. */
  readonly book: string;
  /** The file's name. */
  readonly source: string;
  readonly prices: readonly CheckedPrice[];
  /** Where each price stands: `line 3`, `row 3`. */
  readonly places: readonly string[];
}

/** A value that should be a row, and where it stands. */
interface Found {
  readonly place: string;
  readonly value: unknown;
  readonly problem?: string;
}

/** More of them say nothing new. */
const PROBLEMS_SHOWN = 20;

/**
 * Reads a file of prices.
 * @throws {Complaint} where it cannot be read, or naming each malformed row by place, field and rule.
 */
export async function readPriceFile(path: string): Promise<PriceFile> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException): never => {
    throw new Complaint(`${path} cannot be read: ${error.code ?? error.message}`);
  });
  const found = extname(path).toLowerCase() === ".jsonl" ? inLines(text) : inArray(path, text);
  if (found.length === 0) throw new Complaint(`${path} holds no price`);
  const checked = found.map(({ place, value, problem }) => {
    if (problem !== undefined) return { place, problems: [`${place}: ${problem}`] };
    const { data, error } = priceRow.safeParse(value, { error: inWords });
    const problems = (error?.issues ?? []).flatMap((issue) => toldOf(place, issue));
    return { place, price: data, problems };
  });
  const problems = checked.flatMap((row) => row.problems);
  if (problems.length > 0) throw new Complaint(complaintOf(path, problems));
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return {
    book: `${basename(path).slice(0, 150)}@${digest}`,
    source: basename(path).slice(0, 200),
    prices: checked.flatMap(({ price }) => price ?? []),
    places: checked.map(({ place }) => place),
  };
}

const WHEN = "must be a date (YYYY-MM-DD, in UTC) or an instant in ISO 8601 with a zone";
const NAME = "must be a text of 1 to 200 characters";

/** What a field must be, where its own check does not say it. */
const RULES: Readonly<Record<string, string>> = {
  provider: NAME,
  model: NAME,
  match: `must be one of ${PRICE_MATCHES.join(", ")}`,
  token_class: `must be one of ${TOKEN_CLASSES.join(", ")}`,
  usd_per_million: "must be dollars per million, not negative, with at most 6 decimals",
  above_input_tokens: "must be a whole number of tokens from 0",
  valid_from: WHEN,
  valid_to: WHEN,
  source: NAME,
};

/** The rule of the field; of one that is not there, that it is required. */
function inWords({
  path = [],
  input,
}: {
  readonly path?: PropertyKey[] | undefined;
  readonly input?: unknown;
}): string {
  const rule = RULES[String(path[0])] ?? "must be an object with the fields of a price";
  return input === undefined ? `is required: it ${rule}` : rule;
}

function toldOf(place: string, issue: z.core.$ZodIssue): string[] {
  if (issue.code !== "unrecognized_keys") return [[place, ...issue.path.map(String), issue.message].join(": ")];
  const fields = Object.keys(RULES).join(", ");
  return issue.keys.map(
    (key) => `${place}: ${key}: is no field of a price: remove it, or correct its spelling (fields: ${fields})`,
  );
}

function complaintOf(path: string, problems: readonly string[]): string {
  const left = problems.length - PROBLEMS_SHOWN;
  const more = left > 0 ? [`and ${left} more`] : [];
  return [`${path}: nothing was written`, ...problems.slice(0, PROBLEMS_SHOWN), ...more].join("\n");
}

function inLines(text: string): Found[] {
  return text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line, index) => ({ place: `line ${index + 1}`, line: line.trim() }))
    .filter(({ line }) => line !== "")
    .map(({ place, line }) => {
      try {
        return { place, value: JSON.parse(line) as unknown };
      } catch {
        return { place, value: undefined, problem: "is no JSON" };
      }
    });
}

function inArray(path: string, text: string): Found[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new Complaint(
      `${path} is no JSON (${String(error)}): give an array of prices, or one per line in a .jsonl file`,
    );
  }
  if (!Array.isArray(parsed)) throw new Complaint(`${path}: give an array of prices, or one per line in a .jsonl file`);
  return parsed.map((value: unknown, index) => ({ place: `row ${index + 1}`, value }));
}
