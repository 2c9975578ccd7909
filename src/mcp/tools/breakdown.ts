/** Tool `breakdown`: where a run's spend comes from. */
import { z } from "zod";
import { breakdownOf } from "../../ledger/run-views.js";
import { runOf } from "../bounds.js";
import { amount, argumentsOf, tool } from "../tool.js";

const source = z.object({
  source: z.enum(["driver_inference", "child_work", "total"]),
  iterations: amount,
  input_tokens: amount.describe("The whole prompts, cache reads and writes included"),
  output_tokens: amount,
  cache_read_tokens: amount,
  cache_write_tokens: amount,
  reasoning_tokens: amount,
  charged_tokens: amount,
  usd: amount,
  ms: amount,
  uncertain_tokens: amount,
  uncertain_iterations: amount,
  uncertain_usd: amount,
  tokens_known: z.boolean().describe("False: a part is unknown"),
  usd_known: z.boolean().describe("False: a part is estimated or unknown"),
  receipt_usd: amount.describe("Charged with a receipt"),
  estimated_usd: amount.describe("Charged without one"),
  unknown_usd_events: amount.describe("Events that nobody could price: nothing is charged for them"),
});

/** The tool. */
export const breakdown = tool({
  name: "breakdown",
  title: "Where a run's spend comes from",
  description:
    "Three rows of a run, also while it is live: driver_inference (model calls of the drivers), child_work (what workers were settled with) and total. " +
    "Dollars are apart: receipts, estimates, and events that nobody could price.",
  input: z.strictObject({ run: argumentsOf.run }),
  output: z.object({ run_id: z.string(), sources: z.array(source) }),
  async answer(view, { run: asked }) {
    const run_id = await runOf(view, asked);
    const rows = await breakdownOf(view.db, view.tenantId, run_id);
    const sources = rows.map(({ tenant_id, run_id: _, ...row }) => row);
    const parts = sources.map(
      ({ source: name, charged_tokens, tokens_known, usd, usd_known }) =>
        `${name.replace("_", " ")} ${charged_tokens}${tokens_known ? "" : " ?"} tokens, ${usd}${usd_known ? "" : " ?"} dollars`,
    );
    const marks = sources.some((row) => !row.tokens_known || !row.usd_known);
    return {
      says: `Run ${run_id}: ${parts.join("; ")}${marks ? " (?: a part is unknown, or charged without a receipt)" : ""}`,
      content: { run_id, sources },
    };
  },
});
