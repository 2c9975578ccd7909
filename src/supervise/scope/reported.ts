/** What an executor says of itself, checked: its result, and what it spent in all. */
import { z } from "zod";
import { canonicalDecimal, exact } from "../../ledger/amounts.js";
import { referenceOf } from "../../ledger/artifacts.js";
import { canonicalJson } from "../../ledger/canonical-json.js";
import type { Amount, Spend } from "../../ledger/protocol.js";
import { parse, spend as spendSchema } from "../../ledger/schemas.js";
import type { Verdict } from "../executor.js";
import { bookable } from "./bookable.js";
import { storable } from "./reasons.js";

/** How good a result is, as it may be stored. */
const verdict = { valid: z.boolean(), score: z.number().optional(), notes: z.string().optional() };

/** The same as other programs may have stored it, with more in it. */
export const storedVerdict = z.object(verdict);

/** What every spend has as a field of its own. */
export const PLAIN = ["tokens", "iterations", "usd"];

const spentSchema = spendSchema.extend({
  resources: spendSchema.shape.resources.refine(
    (resources) => !PLAIN.some((name) => resources && Object.hasOwn(resources, name)),
    "tokens, iterations and usd are fields of the spend itself",
  ),
});

const resultSchema = z.strictObject({
  out: z.unknown(),
  outRef: z.string().optional(),
  verdict: z.strictObject(verdict).optional(),
  spent: z.preprocess(bookable, spentSchema),
});

/** A spend with its rounds. */
export type Whole = Spend & { readonly iterations: number | string | bigint };

/** A result that can be booked. */
export interface Checked {
  readonly out: unknown;
  readonly verdict: Verdict | undefined;
}

/**
 * The result, checked. Figures of its spend do not end it, nor notes that are too long for a row: see `bookable`, `spentInAll`.
 * @throws {LedgerError} LG001: which field, which rule; also where `out` has no JSON form, or `outRef` is not its digest.
 */
export function checkedResult(result: unknown): Checked {
  const { out, outRef, verdict: given } = parse(resultSchema, result, "result");
  const verdict = given && storableVerdict(given as Verdict);
  if (out === undefined) {
    parse(z.undefined({ error: "is given, but there is no out" }), outRef, "result.outRef");
    return { out, verdict };
  }
  const ref = referenceOf(Buffer.from(canonicalJson(out)));
  parse(z.literal([undefined, ref], { error: `is not the digest of out, which is ${ref}` }), outRef, "result.outRef");
  return { out, verdict };
}

/** Bytes of notes that fit a row beside the rest of the verdict; and characters that do, however each is escaped. */
const NOTES_BYTES = 99_000;
const NOTES_CHARACTERS = 16_000;

/** With notes that a row can hold: their beginning. */
function storableVerdict(verdict: Verdict): Verdict {
  const { notes } = verdict;
  if (notes === undefined) return verdict;
  const large = Buffer.byteLength(JSON.stringify(notes)) > NOTES_BYTES;
  return { ...verdict, notes: storable(large ? notes.slice(0, NOTES_CHARACTERS) : notes) };
}

/**
 * What a child spent in all. A channel whose figure the result states is the executor's own total and wins; one left out is what the
 * events added up to, and so is each resource that it does not name. Left out by both: tokens and dollars are unknown, iterations are 1
 * (the round that this was), ms are the wall clock's. A flag alone says that the rest of a channel is unknown, as does a figure that
 * cannot be read. `maxUsd`: the ceiling of the child.
 */
export function spentInAll(events: Whole, stated: unknown, ms: number, maxUsd: Amount | undefined): Whole {
  const told = readable(events);
  const own = readable(stated);
  const tokens = own.input_tokens !== undefined || own.output_tokens !== undefined ? own : told;
  const usd = own.usd !== undefined ? own : told;
  const dollarsUnknown = usd === told && own.usd_known === false;
  const resources = { ...told.resources, ...own.resources };
  return defined({
    ...tokens,
    iterations: own.iterations ?? (Number(told.iterations) || 1),
    tokens_known: own.tokens_known === false ? false : tokens.tokens_known,
    usd: dollarsUnknown ? floorOf(told.usd, maxUsd) : usd.usd,
    usd_known: dollarsUnknown ? false : usd.usd_known,
    ms: own.ms ?? ms,
    resources: Object.keys(resources).length > 0 ? resources : undefined,
  });
}

/** What is left to book of work that broke off: what was reported stays, the rest is unknown. `maxUsd`: the ceiling of the child. */
export function brokenOff(events: Whole, ms: number, maxUsd: Amount | undefined): Whole {
  const told = readable(events);
  const iterations = Number(told.iterations) || 1;
  const usd = floorOf(told.usd, maxUsd);
  return defined({ ...told, iterations, ms, usd, tokens_known: false, usd_known: false });
}

/**
 * Dollars of which a part is unknown: what was reported is the least that they can be. Below the child's ceiling they are charged as
 * silence is, which charges the ceiling; above it, or where none was declared, what was reported is the estimate.
 */
function floorOf(reported: Amount | undefined, maxUsd: Amount | undefined): Amount | undefined {
  if (reported === undefined || maxUsd === undefined) return reported;
  const [floor, ceiling] = [reported, maxUsd].map((amount) => exact(String(canonicalDecimal(amount))));
  return floor && ceiling && floor.lt(ceiling) ? undefined : reported;
}

/** The fields of a spend that can be booked, one by one, and no others. */
function readable(stated: unknown): Spend {
  const kept: Record<string, unknown> = {};
  if (typeof stated !== "object" || stated === null) return kept;
  for (const [field, value] of Object.entries(bookable(stated))) {
    if (!Object.hasOwn(spentSchema.shape, field)) continue;
    if (spentSchema.shape[field as keyof typeof spentSchema.shape].safeParse(value).success) kept[field] = value;
  }
  return kept;
}

function defined(spend: object): Whole {
  return Object.fromEntries(Object.entries(spend).filter(([, value]) => value !== undefined)) as unknown as Whole;
}
