/** Tool `budget`: what is left of a pool, who pays, and which asks would be refused now. */
import { sql } from "kysely";
import { z } from "zod";
import { readout } from "../../ledger/readout.js";
import { poolOf, type View } from "../bounds.js";
import { amount, argumentsOf, tool } from "../tool.js";

const left = z.union([z.number(), z.string()]).nullable();

const channel = z.object({
  channel: z.string(),
  unit: z.string().nullable(),
  capped: z.boolean(),
  total: amount.nullable(),
  free: amount.nullable(),
  reserved: amount,
  committed: amount,
  uncertain: amount.describe("Of committed: charged without a receipt"),
  measured: z.boolean().describe("False: a part of the usage is unknown, or charged without a receipt"),
  sealed: z.boolean().describe("True: unknown dollars closed the channel until they are corrected"),
  payer_pool_id: z
    .string()
    .nullable()
    .describe("Who pays: this pool, or the nearest above that caps the channel; null: nobody"),
  payer_sealed: z.boolean().nullable(),
  payer_free: amount.nullable().describe("What the payer has left; null: nobody caps it"),
});

/** The tool. */
export const budget = tool({
  name: "budget",
  title: "Budget of a pool",
  description:
    "What is left of a pool: tokens, dollars, iterations and named resources, of the payer where the pool does not cap a channel itself. " +
    "tokensKnown and usdKnown false: a part of the usage is unknown, which is not zero, or charged without a receipt. refusals: which asks the ledger would refuse now.",
  input: z.strictObject({ pool: argumentsOf.pool }),
  output: z.object({
    pool_id: z.string(),
    run_id: z.string().nullable(),
    parent_pool_id: z.string().nullable(),
    state: z.enum(["open", "frozen", "closed"]),
    tokensLeft: left,
    tokensKnown: z.boolean(),
    usdLeft: amount.nullable(),
    usdCapped: z.boolean(),
    usdKnown: z.boolean(),
    iterationsLeft: left,
    reservedTokens: z.union([z.number(), z.string()]),
    deadlineMs: z.number().nullable().describe("Nothing is reserved after it, in ms since 1970"),
    resources: z.record(z.string(), amount.nullable()),
    channels: z.array(channel),
    open_holds: z.number().int(),
    refusals: z.array(z.object({ code: z.string(), when: z.string() })),
  }),
  async answer(view, { pool: asked }) {
    const pool_id = await poolOf(view, asked);
    const { db, tenantId } = view;
    const figures = await readout({ db, tenantId, read: (ask) => ask() }, pool_id);
    const [pool, channels] = [await poolRow(view, pool_id), await channelsOf(view, pool_id)];
    const { is_frozen, is_late, depth_left, ...shown } = pool;
    const refusals = refusalsOf({ ...pool, channels });
    const says = [
      `Pool ${pool_id} (${pool.state}) has left: ${said(figures.tokensLeft)} tokens, ${said(figures.usdLeft)} dollars, ${said(figures.iterationsLeft)} iterations`,
      figures.tokensKnown && figures.usdKnown
        ? ""
        : "; a part of what it used is unknown, or charged without a receipt",
      refusals.length > 0 ? `. Refused now: ${refusals.map(({ code, when }) => `${code} (${when})`).join(", ")}` : "",
    ];
    return { says: says.join(""), content: { pool_id, ...shown, ...figures, channels, refusals } };
  },
});

const said = (amountLeft: number | string | null): string => (amountLeft === null ? "no limit of" : String(amountLeft));

type Pool = Awaited<ReturnType<typeof poolRow>>;
type Channel = Awaited<ReturnType<typeof channelsOf>>[number];

/** The pool, whether it or a pool above is frozen, and whether its deadline has passed by the server's clock. */
async function poolRow({ db, tenantId }: View, poolId: string) {
  const above = db
    .withRecursive("above", (q) =>
      q
        .selectFrom("pools as p")
        .select(["p.parent_pool_id", "p.state"])
        .where("p.tenant_id", "=", tenantId)
        .where("p.pool_id", "=", poolId)
        .unionAll(
          q
            .selectFrom("above")
            .innerJoin("pools as u", "u.pool_id", "above.parent_pool_id")
            .select(["u.parent_pool_id", "u.state"])
            .where("u.tenant_id", "=", tenantId),
        ),
    )
    .selectFrom("above")
    .select(sql<boolean>`bool_or(state = 'frozen')`.as("is_frozen"));
  return db
    .selectFrom("pools as p")
    .innerJoin("pool_heads as h", (join) =>
      join.onRef("h.tenant_id", "=", "p.tenant_id").onRef("h.pool_id", "=", "p.pool_id"),
    )
    .select(["p.run_id", "p.parent_pool_id", "p.state", "p.depth_left", "h.open_holds"])
    .select(sql<boolean>`coalesce(p.deadline_at <= statement_timestamp(), false)`.as("is_late"))
    .select(above.as("is_frozen"))
    .where("p.tenant_id", "=", tenantId)
    .where("p.pool_id", "=", poolId)
    .executeTakeFirstOrThrow();
}

function channelsOf({ db, tenantId }: View, poolId: string) {
  return db
    .selectFrom("channels as own")
    .leftJoin("channels as payer", (join) =>
      join
        .onRef("payer.tenant_id", "=", "own.tenant_id")
        .onRef("payer.pool_id", "=", "own.payer_pool_id")
        .onRef("payer.channel", "=", "own.channel"),
    )
    .select(["own.channel", "own.unit", "own.capped", "own.total", "own.free", "own.reserved", "own.committed"])
    .select(["own.uncertain", "own.measured", "own.payer_pool_id", "payer.free as payer_free"])
    .select(["own.sealed", "payer.sealed as payer_sealed"])
    .where("own.tenant_id", "=", tenantId)
    .where("own.pool_id", "=", poolId)
    .orderBy(sql`array_position(array['tokens', 'iterations', 'usd'], own.channel)`)
    .orderBy("own.channel")
    .execute();
}

/** What the views say of asks that would be refused, in the order in which the ledger refuses. */
function refusalsOf({
  state,
  is_frozen,
  is_late,
  depth_left,
  channels,
}: Pool & { readonly channels: readonly Channel[] }): { code: string; when: string }[] {
  const usd = channels.find(({ channel }) => channel === "usd");
  const whatever = "whatever is asked for";
  const overdrawn = channels.filter(({ payer_free: free }) => free?.startsWith("-")).map(({ channel }) => channel);
  const spent = channels
    .filter(({ payer_free: free }) => free !== null && /^0(?:\.0*)?$/.test(free))
    .map(({ channel }) => channel);
  return [
    state === "closed" && { code: "pool-closed", when: whatever },
    is_frozen === true && { code: "pool-frozen", when: whatever },
    is_late && { code: "deadline-passed", when: whatever },
    depth_left !== null && depth_left <= 0 && { code: "depth-exceeded", when: "a driver is asked for" },
    usd?.payer_sealed === true && { code: "usd-sealed", when: whatever },
    usd !== undefined && !usd.capped && { code: "usd-unbudgeted", when: "dollars are asked for" },
    overdrawn.length > 0 && { code: "budget-exhausted", when: `${whatever}: ${overdrawn.join(", ")} overdrawn` },
    spent.length > 0 && { code: "budget-exhausted", when: `more than 0 is asked for of ${spent.join(", ")}` },
  ].filter((refusal) => refusal !== false);
}
