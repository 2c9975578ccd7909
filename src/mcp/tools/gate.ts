/** Tool `gate`: whether the arms of an experiment cost the same. */
import { CompiledQuery } from "kysely";
import { z } from "zod";
import type { Queryable } from "../../ledger/call.js";
import { planOf, toleranceOf } from "../../ledger/experiments.js";
import { equalK } from "../../ledger/gate-calls.js";
import type { GateArm, GatePlan } from "../../ledger/gate-rows.js";
import { id } from "../../ledger/schemas.js";
import { assertExperiment, showsPool, type View } from "../bounds.js";
import { amount, tool } from "../tool.js";

/** Nodes, and runs left out, that are listed of an arm. */
const LISTED = 20;

const cost = z.union([amount, z.object({ tokens: amount, usd: amount, iterations: amount, ms: amount })]);

const arm = z.object({
  arm: z.string(),
  runs: z.number(),
  cost,
  estimated: amount.optional().describe("Of the cost: charged without a receipt"),
  unknown_events: z.number().optional(),
  open_holds: z.number(),
  nodes: z.array(z.string()).describe(`Open, or of unknown or uncertain usage; ${LISTED} at most`),
  nodes_total: z.number(),
  left_out: z.array(
    z.object({
      run_id: z.string(),
      task: z.string().nullable(),
      replicate: z.string().nullable(),
      reason: z.string(),
      cost,
    }),
  ),
  left_out_total: z.number(),
});

const row = z.object({
  channel: z.enum(["tokens", "usd", "all"]),
  verdict: z.enum(["equal", "unequal", "inconclusive"]),
  reason: z.string().nullable(),
  spread: amount.nullable(),
  median: amount.nullable(),
  fraction: amount.nullable(),
  tolerance: amount,
  arms: z.array(arm),
});

/** The tool. */
export const gate = tool({
  name: "gate",
  title: "Equal compute?",
  description:
    "Whether the arms of an experiment cost the same within a tolerance of the median, in tokens and in dollars: equal, unequal or inconclusive " +
    "(open holds, unknown or estimated usage, other tasks). Outcomes of arms may be compared only where it is equal.",
  input: z.strictObject({
    experiment: id.describe("Its name"),
    tolerance: z
      .union([z.string().max(40), z.number()])
      .optional()
      .describe("Part of the median that the spread may be, 0 to 1; left out: 0.05"),
  }),
  output: z.object({
    experiment: z.string(),
    verdict: row.shape.verdict,
    reason: z.string().nullable(),
    plan: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe(
        "As it was registered; spend_first: some spend came before it. Without plan_ref and operation_id where it was registered in a pool that is not shown",
      ),
    channels: z.array(row),
  }),
  async answer(view, { experiment, tolerance }) {
    const asked = toleranceOf({ tolerance });
    await assertExperiment(view, experiment);
    const rows = await equalK(queryable(view), view.tenantId, experiment, asked);
    const all = rows.find(({ channel }) => channel === "all");
    const channels = rows.map(({ plan: _, arms, ...rest }) => ({ ...rest, arms: arms.map(shortened) }));
    const why = rows.map(({ channel, verdict, reason }) => `${channel} ${verdict}${reason ? ` (${reason})` : ""}`);
    return {
      says: `Experiment ${experiment}: ${why.join(", ")}`,
      content: {
        experiment,
        verdict: all?.verdict,
        reason: all?.reason ?? null,
        plan: await planShown(view, experiment, all?.plan),
        channels,
      },
    };
  },
});

/** The plan, without the names that another pool gave it. */
async function planShown(
  view: View,
  experiment: string,
  plan: GatePlan | null | undefined,
): Promise<Partial<GatePlan> | null> {
  if (!plan) return null;
  const { plan_ref: _, operation_id: __, ...rest } = plan;
  const registered = await planOf(view, experiment);
  return registered && (await showsPool(view, registered.pool_id)) ? plan : rest;
}

function shortened({ nodes, left_out, ...rest }: GateArm): Record<string, unknown> {
  return {
    ...rest,
    nodes: nodes.slice(0, LISTED),
    left_out: left_out.slice(0, LISTED),
    left_out_total: left_out.length,
  };
}

/** The snapshot as what functions of the ledger are called on, so that all is as of one moment. */
export function queryable({ db }: Pick<View, "db">): Queryable {
  const query = ({ text, values }: { text: string; values: unknown[] }): Promise<unknown> =>
    db.executeQuery(CompiledQuery.raw(text, values));
  return { query } as unknown as Queryable;
}
