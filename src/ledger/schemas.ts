/** What callers of the typed surface may pass, checked before anything is sent: which field, which rule. */
import { z } from "zod";
import { amount, dollars, notNegative } from "./amount-schemas.js";
import { LedgerError } from "./errors.js";
import { firstIn, inWords } from "./in-words.js";
import { LONGEST_TIMER_MS } from "./leases.js";

export { dollars, notNegative };

/** Text of 1 to 200 characters, as the database's own rule for ids. */
export const id = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/\p{Cc}/u.test(text), "must have no control characters");

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be of the form sha256:<64 hex digits, in lower case>");

const milliseconds = z.number().int().positive();

const tags = z.record(z.string(), z.string());

const CHANNELS: readonly string[] = ["tokens", "iterations", "usd"];

/** Other spellings of the channels that every pool has: a budget on one of them would cap nothing that anybody spends. */
const MISSPELT: readonly (readonly [channel: string, names: RegExp])[] = [
  ["tokens", /^(?:max)?(?:input|output|prompt|completion|total|cacheread|cachewrite|cachewrite1h|reasoning)?tokens?$/],
  ["iterations", /^(?:max)?iterations?$/],
  ["usd", /^(?:max|total)?(?:usd|dollars?|costs?|usdcosts?|costs?usd)$/],
];

/** The channel that is meant by a name that is none. */
function channelMeant(name: string): string | undefined {
  if (CHANNELS.includes(name)) return undefined;
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  return MISSPELT.find(([, names]) => names.test(plain))?.[0];
}

const channel = id.refine((name) => channelMeant(name) === undefined, {
  error: ({ input }) => `is no channel: write ${channelMeant(String(input))} (channels are tokens, iterations and usd)`,
});

/** Ceilings or totals, by channel. */
export const budget = z.record(channel, notNegative.optional());

/** Changes of totals, by channel; they may be negative. */
export const amounts = z.record(channel, amount);

const spendFields = {
  iterations: notNegative.optional(),
  input_tokens: notNegative.optional(),
  output_tokens: notNegative.optional(),
  cache_read_tokens: notNegative.optional(),
  cache_write_tokens: notNegative.optional(),
  cache_write_1h_tokens: notNegative.optional(),
  reasoning_tokens: notNegative.optional(),
  usd: notNegative.optional(),
  usd_known: z.boolean().optional(),
  tokens_known: z.boolean().optional(),
  ms: notNegative.optional(),
  resources: z.record(id, z.strictObject({ amount: notNegative })).optional(),
};

/** What was consumed. */
export const spend = z.strictObject(spendFields);

/** What an executor reports. Left out = not reported. */
export const usageEvent = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("tokens"),
    input: notNegative.optional(),
    output: notNegative.optional(),
    cacheRead: notNegative.optional(),
    cacheWrite: notNegative.optional(),
    reasoning: notNegative.optional(),
  }),
  z.strictObject({ type: z.literal("cost"), usd: notNegative.optional(), usdKnown: z.boolean().optional() }),
  z.strictObject({ type: z.literal("iteration") }),
  z.strictObject({ type: z.literal("resource"), name: id, amount: notNegative }),
  z.object({ type: z.literal("progress") }),
]);

const call = { provider: id.optional(), model: id.optional(), provider_request_id: id.optional() };

const line = z.strictObject({ ...call, ...spendFields });

const signal = z
  .custom<AbortSignal>((value) => value instanceof AbortSignal, { error: "must be an AbortSignal" })
  .optional();

/** How long to wait for an answer. */
const wait = { signal, timeoutMs: milliseconds.max(LONGEST_TIMER_MS).optional() };

/** What every write may carry. */
const any = {
  ...wait,
  operationId: id.optional(),
  effectiveAt: z.union([z.date(), z.string()]).optional(),
  tags: tags.optional(),
};

const toolStatus = z.enum(["ok", "error"]);

const toolCall = z.strictObject({
  name: id,
  id: id.optional(),
  arguments: digest.optional(),
  status: toolStatus.optional(),
});

const toolResult = z.strictObject({ id, status: toolStatus });

/** Which call it was, for what books usage, its tools, and what else is to be kept with it. */
const attribution = {
  provider: id.optional(),
  model: id.optional(),
  providerRequestId: id.optional(),
  purpose: z.enum(["turn", "compaction", "failed", "tool"]).optional(),
  lines: z.array(line).min(1).optional(),
  toolCalls: z
    .array(z.union([z.string(), toolCall]))
    .readonly()
    .optional(),
  toolResults: z.array(toolResult).readonly().optional(),
  detail: z.unknown().optional(),
};

/** Options of `createLedger`. */
export const ledgerOptions = z
  .strictObject({
    connectionString: z
      .string()
      .regex(/^postgres(?:ql)?:\/\//, "must be of the form postgres://user:password@host:port/database")
      .optional(),
    pool: z
      .custom((value) => typeof (value as { connect?: unknown } | undefined)?.connect === "function", {
        error: "must be a pool of pg",
      })
      .optional(),
    tenantId: id,
    readOnly: z.boolean().optional(),
    coalesce: z
      .union([
        z.boolean(),
        z.strictObject({
          maxInFlight: z.number().int().min(1).max(64).optional(),
          maxOperations: z.number().int().min(1).max(1_000).optional(),
        }),
      ])
      .optional(),
  })
  .refine(({ pool, readOnly }) => pool === undefined || readOnly !== true, {
    path: ["readOnly"],
    error: "is given beside pool, whose sessions are its own: give connectionString",
  })
  .refine(({ connectionString, pool }) => connectionString === undefined || pool === undefined, {
    path: ["pool"],
    error: "is given beside connectionString: give one of them",
  });

/** Options of `apply`. */
export const applyOptions = z.strictObject({ ...wait, atomic: z.boolean().optional() });

/** Operations, as far as they must be to be sent. */
export const operations = z.array(z.record(z.string(), z.unknown()));

/** Options of `events`. */
export const eventsOptions = z
  .strictObject({
    run: id.optional(),
    pool: id.optional(),
    after: z.string().optional(),
    last: z.number().int().nonnegative().optional(),
    follow: z.boolean().optional(),
    signal,
  })
  .refine(({ after, last }) => after === undefined || last === undefined, {
    path: ["last"],
    error: "is given beside after: give one of them",
  });

/** Options of `withTransaction`. */
export const transactionOptions = z.strictObject({ pools: z.array(id).max(1_000) });

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

/** Options of `reserve`. `leaseMs: null` asks for a hold without a lease; `renew: false` leaves it to run out. */
export const reserveOptions = z.strictObject({
  ...any,
  label: id,
  nodeId: id.optional(),
  key: id.optional(),
  taskRef: digest.optional(),
  runtime: id.optional(),
  driver: z.boolean().optional(),
  leaseMs: milliseconds.nullable().optional(),
  renew: z.boolean().optional(),
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
});

/** Options of `announce`. */
export const announceOptions = z.strictObject({
  ...any,
  meterId: id.optional(),
  turn: z.number().int().nonnegative().optional(),
  provider: attribution.provider,
  model: attribution.model,
  purpose: attribution.purpose,
  detail: z.unknown().optional(),
});

/** Options of `cancel`. */
export const cancelOptions = z.strictObject({ ...any, ...attribution, reason: z.string(), spend: spend.optional() });

/** What is common to the options of what books usage. */
export const callOptions = z.strictObject({ ...any, ...attribution });

/** Options of what needs none of its own. */
export const plainOptions = z.strictObject(any);

/** Only asked for where something is wrong: zod takes several times as long where it is given words. */
const IN_WORDS = { error: inWords };

/**
 * The value, checked.
 * @throws {LedgerError} LG001 with `path` (below `what`) and `rule`.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  // An own key of that name is dropped by those who copy objects: better said than lost.
  if (typeof value === "object" && value !== null && Object.hasOwn(value, "__proto__")) {
    throw refused([what, "__proto__"].join("."), "cannot be the name of a key");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, rule } = firstIn(schema.safeParse(value, IN_WORDS).error?.issues ?? parsed.error.issues);
  throw refused([what, ...path].join("."), rule);
}

function refused(path: string, rule: string): LedgerError {
  return new LedgerError("LG001", `${path}: ${rule}`, { detail: { path, rule } });
}
