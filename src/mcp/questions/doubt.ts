/** Questions about what is not known: charged without a receipt, unreported, in doubt; and how the ledger is. */
import { sql } from "kysely";
import { assertExperiment, isShown } from "../bounds.js";
import type { Questions } from "./question.js";

/** By their names. */
export const doubt = {
  uncertain: {
    asks: "what was charged without a receipt, what is unknown, and whose it is",
    takes: ["pool", "run"],
    of: "pools",
    rows: (view, { pool, run }, limit) =>
      view.db
        .selectFrom((q) =>
          q
            .selectFrom("journal")
            .select(["run_id", "pool_id", "node_id"])
            .select(sql<string>`sum(uncertain_tokens)`.as("uncertain_tokens"))
            .select(sql<string>`sum(uncertain_usd)`.as("uncertain_usd"))
            .select(sql<string | null>`sum(usd)`.as("usd"))
            // An event that was corrected is as known as its last correction.
            .select(sql<boolean>`(array_agg(tokens_known order by seq desc))[1]`.as("tokens_known"))
            .select(sql<boolean>`(array_agg(usd_known order by seq desc))[1]`.as("usd_known"))
            .where("tenant_id", "=", view.tenantId)
            .where("source_pool_id", "is", null)
            .where("iterations", "is not", null)
            .where(isShown(view, "pools", "pool_id", { pool, run }))
            .$if(pool !== undefined, (one) => one.where("pool_id", "=", String(pool)))
            .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
            .groupBy(["run_id", "node_id", "pool_id", sql`coalesce(corrects_seq, seq)`])
            .as("calls"),
        )
        .select(["run_id", "node_id"])
        .select(sql<string>`sum(uncertain_tokens)`.as("uncertain_tokens"))
        .select(sql<string>`trim_scale(sum(uncertain_usd))`.as("uncertain_usd"))
        .select(sql<string>`count(*) filter (where not tokens_known)`.as("unknown_tokens_calls"))
        .select(sql<string>`count(*) filter (where not usd_known and usd is null)`.as("unknown_usd_calls"))
        .groupBy(["run_id", "node_id"])
        .having(sql<boolean>`not bool_and(tokens_known and usd_known)`)
        .orderBy("run_id")
        .orderBy("node_id")
        .limit(limit)
        .execute(),
  },
  calls_in_doubt: {
    asks: "model calls that were announced and not metered: the provider may have billed them",
    takes: ["pool", "run"],
    of: "pools",
    rows: (view, { pool, run }, limit) =>
      view.db
        .selectFrom("calls_in_doubt")
        .select(["run_id", "pool_id", "seq", "meter_id", "turn", "purpose", "provider", "model", "dispatched_at"])
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "pools", "pool_id", { pool, run }))
        .$if(pool !== undefined, (one) => one.where("pool_id", "=", String(pool)))
        .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
        .orderBy("dispatched_at")
        .orderBy("pool_id")
        .orderBy("seq")
        .limit(limit)
        .execute(),
  },
  spend_gaps: {
    asks: "nodes of runs whose end (never-settled) or usage (unreported) nobody has reported, and on which channels",
    takes: ["run"],
    of: "runs",
    rows: (view, { run }, limit) =>
      view.db
        .selectFrom("spend_gaps")
        .select(["run_id", "node_id", "gap", "channels"])
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "runs", "run_id", { run }))
        .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
        .orderBy("run_id")
        .orderBy("node_id")
        .orderBy("gap")
        .limit(limit)
        .execute(),
  },
  arms: {
    asks: "what the arms of an experiment cost, over the runs that count; of every experiment where none is named",
    takes: ["experiment"],
    of: "experiments",
    rows: async (view, { experiment }, limit) => {
      if (experiment !== undefined) await assertExperiment(view, experiment);
      return view.db
        .selectFrom("arm_costs")
        .selectAll()
        .where("tenant_id", "=", view.tenantId)
        .$if(experiment !== undefined, (one) => one.where("experiment", "=", String(experiment)))
        .orderBy("experiment")
        .orderBy("arm")
        .limit(limit)
        .execute();
    },
  },
  health: {
    asks: "how the ledger is: what is open and waits, and which share of the spend is unknown or charged without a receipt",
    takes: [],
    of: "tenant",
    rows: (view) => view.db.selectFrom("health").selectAll().where("tenant_id", "=", view.tenantId).execute(),
  },
} satisfies Questions;
