/** What callers of the typed surface may pass, checked before anything is sent: which field, which rule. */
import { z } from "zod";
import { canonicalDecimal } from "./amounts.js";
import { LedgerError } from "./errors.js";

/** Text of 1 to 200 characters, as the database's own rule for ids. */
const id = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/\p{Cc}/u.test(text), "must have no control characters");

const amount = z
  .union([z.string(), z.number(), z.bigint()])
  .refine((value) => /^-?\d+(?:\.\d+)?$/.test(String(canonicalDecimal(value))), "must be a number or a decimal text");

const notNegative = amount.refine((value) => !String(canonicalDecimal(value)).startsWith("-"), "must not be negative");

const milliseconds = z.number().int().positive();

const tags = z.record(z.string(), z.string());

/** Ceilings or totals, by channel. */
export const budget = z.record(id, notNegative.optional());

/** Changes of totals, by channel; they may be negative. */
export const amounts = z.record(id, amount);

const spendFields = {
  iterations: notNegative.optional(),
  input_tokens: notNegative.optional(),
  output_tokens: notNegative.optional(),
  cache_read_tokens: notNegative.optional(),
  cache_write_tokens: notNegative.optional(),
  reasoning_tokens: notNegative.optional(),
  usd: notNegative.optional(),
  usd_known: z.boolean().optional(),
  tokens_known: z.boolean().optional(),
  ms: notNegative.optional(),
  resources: z.record(id, z.strictObject({ amount: notNegative })).optional(),
};

/** What was consumed. */
export const spend = z.strictObject(spendFields);

const call = { provider: id.optional(), model: id.optional(), provider_request_id: id.optional() };

const line = z.strictObject({ ...call, ...spendFields });

/** What every write may carry. */
const any = {
  operationId: id.optional(),
  effectiveAt: z.union([z.date(), z.string()]).optional(),
  tags: tags.optional(),
};

/** Which call it was, for what books usage. */
const attribution = {
  provider: id.optional(),
  model: id.optional(),
  providerRequestId: id.optional(),
  purpose: z.enum(["turn", "compaction", "failed", "tool"]).optional(),
  lines: z.array(line).min(1).optional(),
};

/** Options of `createLedger` besides a pool of the application's. */
export const ledgerOptions = z.strictObject({
  connectionString: z.string().min(1).optional(),
  pool: z.custom((value) => typeof (value as { connect?: unknown } | undefined)?.connect === "function").optional(),
  tenantId: id,
  coalesce: z.boolean().optional(),
});

/** Options of `openPool`. */
export const openPoolOptions = z.strictObject({
  ...any,
  poolId: id.optional(),
  parentPoolId: id.optional(),
  run: z
    .strictObject({
      label: id,
      experiment: id.optional(),
      arm: id.optional(),
      task: id.optional(),
      replicate: z.union([id, z.number().int().nonnegative()]).optional(),
    })
    .optional(),
  deadlineMs: milliseconds.optional(),
  maxDepth: z.number().int().nonnegative().optional(),
  unknownUsd: z.enum(["seal", "flag"]).optional(),
  tokenCharge: z.enum(["total", "uncached"]).optional(),
  units: z.record(id, id).optional(),
});

/** Options of `reserve`. `leaseMs: null` asks for a hold without a lease. */
export const reserveOptions = z.strictObject({
  ...any,
  label: id,
  nodeId: id.optional(),
  key: id.optional(),
  runtime: id.optional(),
  driver: z.boolean().optional(),
  leaseMs: milliseconds.nullable().optional(),
});

/** Options of `reconcile`. */
export const reconcileOptions = z.strictObject({
  ...any,
  ...attribution,
  outcome: z.enum(["done", "down"]).optional(),
  verdict: z.unknown().optional(),
  outRef: id.optional(),
  reason: z.string().optional(),
  infra: z.boolean().optional(),
});

/** Options of `observe`. */
export const observeOptions = z.strictObject({
  ...any,
  ...attribution,
  turn: z.number().int().nonnegative().optional(),
  toolCalls: z.array(z.string()).optional(),
  detail: z.unknown().optional(),
});

/** Options of `cancel`. */
export const cancelOptions = z.strictObject({ ...any, ...attribution, reason: z.string(), spend: spend.optional() });

/** Options of what needs none of its own. */
export const plainOptions = z.strictObject(any);

/**
 * The value, checked.
 * @throws {LedgerError} LG001 with `path` (below `what`) and `rule`.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = [what, ...(issue?.path ?? [])].join(".");
  const rule = issue?.message ?? "is malformed";
  throw new LedgerError("LG001", `${path}: ${rule}`, { detail: { path, rule } });
}
