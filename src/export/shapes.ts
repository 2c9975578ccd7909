/**
 * The lines of an export. What is named here is what `verify.ts` proves; what a line holds besides is covered by the digest. What was
 * null is left out.
 */
import { z } from "zod";

const id = z.string().min(1);
const amount = z.string().regex(/^-?\d+(?:\.\d+)?$/, "must be a decimal text");
const whole = z.string().regex(/^\d+$/, "must be a whole number");

const isObject = (raw: unknown): raw is object => typeof raw === "object" && raw !== null && !Array.isArray(raw);

/**
 * An object whose keys are names, as a map: a channel may be called what every object has a member of. Zod's own records leave
 * `__proto__` out.
 */
function named<T>(value: z.ZodType<T>) {
  return z.custom<object>(isObject, "must be an object").transform((raw, context): ReadonlyMap<string, T> => {
    const members = new Map<string, T>();
    for (const [name, member] of Object.entries(raw)) {
      const parsed = value.safeParse(member);
      if (parsed.success) members.set(name, parsed.data);
      for (const { path, message } of parsed.error?.issues ?? []) {
        context.addIssue({ code: "custom", path: [name, ...path], message });
      }
    }
    return members;
  });
}

const resources = named(z.looseObject({ amount, uncertain: amount.optional() }));

/** What is said of usage; nothing where nothing was consumed. */
const usage = {
  iterations: amount.optional(),
  input_tokens: amount.optional(),
  output_tokens: amount.optional(),
  cache_read_tokens: amount.optional(),
  cache_write_tokens: amount.optional(),
  cache_write_1h_tokens: amount.optional(),
  reasoning_tokens: amount.optional(),
  charged_tokens: amount.optional(),
  usd: amount.optional(),
  ms: amount.optional(),
  uncertain_tokens: amount.optional(),
  uncertain_iterations: amount.optional(),
  uncertain_usd: amount.optional(),
};

/** The amounts among it. */
export const USAGE = Object.keys(usage) as (keyof typeof usage)[];

/** Whether it is all there is. */
const flags = { tokens_known: z.boolean().optional(), usd_known: z.boolean().optional() };

const usageLine = z.looseObject({
  ...usage,
  ...flags,
  /** Left out of what lines leave unexplained. */
  line: z.int().optional(),
  resources: resources.optional(),
});

/** The first line. `outside`: the parent of a run's root pool, which is not in the file. */
export const header = z.looseObject({
  type: z.literal("header"),
  format: z.literal("agent-ledger-export"),
  version: z.literal(1),
  tenant: id,
  run: id.optional(),
  exported_at: z.iso.datetime(),
  blobs: z.boolean(),
  outside: z.strictObject({ parent_pool_id: id }).optional(),
});

const channel = z.looseObject({
  channel: id,
  capped: z.boolean(),
  total: amount.optional(),
  free: amount.optional(),
  reserved: amount,
  committed: amount,
  uncertain: amount,
  sealed: z.boolean(),
  measured: z.boolean().optional(),
  payer_pool_id: id.optional(),
});

const pool = z.looseObject({
  type: z.literal("pool"),
  pool_id: id,
  parent_pool_id: id.optional(),
  run_id: id.optional(),
  state: z.enum(["open", "frozen", "closed"]),
  token_charge: z.enum(["total", "uncached"]),
  /** How many events it has. */
  seq: whole,
  open_holds: z.int().nonnegative(),
  channels: z.array(channel),
});

const node = z.looseObject({
  type: z.literal("node"),
  node_id: id,
  parent_node_id: id.optional(),
  driver: z.boolean(),
  run_id: id.optional(),
  status: z.string().optional(),
  outcome: z.string().optional(),
  hold: named(amount),
});

const run = z.looseObject({ type: z.literal("run"), run_id: id });

const posting = z.strictObject({
  channel: id,
  funded: amount.optional(),
  held: amount.optional(),
  spent: amount.optional(),
  uncertain: amount.optional(),
  remainder: amount.optional(),
});

const event = z.looseObject({
  type: z.literal("event"),
  pool_id: id,
  seq: whole,
  kind: z.string(),
  operation_id: z.string(),
  run_id: id.optional(),
  effective_at: z.string().optional(),
  recorded_at: z.string().optional(),
  node_id: id.optional(),
  outcome: z.string().optional(),
  source_pool_id: id.optional(),
  resources: resources.optional(),
  postings: z.array(posting).optional(),
  lines: z.array(usageLine).optional(),
  ...usage,
  ...flags,
});

const blob = z.looseObject({ type: z.literal("blob"), blob_id: id, bytes: z.int().nonnegative(), body: z.string() });

/** The last line: how many lines of each type, what all postings add up to, and the SHA-256 of every byte before it. */
export const footer = z.strictObject({
  type: z.literal("footer"),
  counts: named(z.int().nonnegative()),
  sums: named(z.strictObject({ funded: amount, held: amount, spent: amount, uncertain: amount })),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Any line. */
export const line = z.discriminatedUnion("type", [header, pool, node, run, event, blob, footer]);

/** The order in which types of lines come. */
export const ORDER = ["header", "pool", "node", "run", "event", "blob", "footer"] as const;

export type Header = z.output<typeof header>;
export type PoolLine = z.output<typeof pool>;
export type ChannelLine = z.output<typeof channel>;
export type NodeLine = z.output<typeof node>;
export type UsageLine = z.output<typeof usageLine>;
export type EventLine = z.output<typeof event>;
export type BlobLine = z.output<typeof blob>;
export type FooterLine = z.output<typeof footer>;
