/** Questions about budgets: what is left, who was refused, who holds what. */
import { sql } from "kysely";
import { isShown } from "../bounds.js";
import type { Questions } from "./question.js";

/** By their names. */
export const budgets = {
  balances: {
    asks: "what is left of each budget, channel by channel; of one pool also what it only observes",
    takes: ["pool"],
    of: "pools",
    rows: (view, { pool }, limit) =>
      view.db
        .selectFrom("channels")
        .select(["pool_id", "channel", "unit", "capped", "total", "free", "reserved", "committed", "uncertain"])
        .select(["measured", "sealed", "payer_pool_id"])
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "pools", "pool_id", { pool }))
        .$if(pool === undefined, (all) => all.where("capped", "=", true))
        .$if(pool !== undefined, (one) => one.where("pool_id", "=", String(pool)))
        .orderBy("pool_id")
        .orderBy("channel")
        .limit(limit)
        .execute(),
  },
  refusals: {
    asks: "who was refused what, the latest first, and what was short: requested beside free, by channel",
    takes: ["pool"],
    of: "pools",
    rows: (view, { pool }, limit) =>
      view.db
        .selectFrom("refusals")
        .select(["at", "pool_id", "operation_id", "label", "code", "shortfall"])
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "pools", "pool_id", { pool }))
        .$if(pool !== undefined, (one) => one.where("pool_id", "=", String(pool)))
        .orderBy("at", "desc")
        .orderBy("operation_id")
        .limit(limit)
        .execute(),
  },
  open_holds: {
    asks: "who holds what, the oldest first, and until when its lease runs",
    takes: ["pool", "run"],
    of: "pools",
    rows: (view, { pool, run }, limit) =>
      view.db
        .selectFrom("nodes")
        .select(["node_id", "parent_node_id as pool_id", "run_id", "label", "status", "hold"])
        .select(["spawned_at as since", "lease_at", "lapsed"])
        .where("tenant_id", "=", view.tenantId)
        .where("outcome", "is", null)
        .where("parent_node_id", "is not", null)
        .where(isShown(view, "pools", "parent_node_id", { pool, run }))
        .$if(pool !== undefined, (one) => one.where("parent_node_id", "=", String(pool)))
        .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
        .orderBy("spawned_at")
        .orderBy("node_id")
        .limit(limit)
        .execute(),
  },
  bill: {
    asks: "what was booked in dollars in a pool, per run: the largest first, and which part has no receipt",
    takes: ["pool"],
    of: "pools",
    rows: (view, { pool }, limit) =>
      view.db
        .selectFrom("postings as p")
        .innerJoin("nodes as n", (join) =>
          join.onRef("n.tenant_id", "=", "p.tenant_id").onRef("n.node_id", "=", "p.node_id"),
        )
        .select(["p.pool_id", "n.run_id"])
        .select(sql<string>`trim_scale(sum(p.spent))`.as("usd"))
        .select(sql<string>`trim_scale(sum(p.uncertain))`.as("without_receipt"))
        .where("p.tenant_id", "=", view.tenantId)
        .where("p.channel", "=", "usd")
        .where("p.spent", "<>", "0")
        .where(isShown(view, "pools", "p.pool_id", { pool }))
        .$if(pool !== undefined, (one) => one.where("p.pool_id", "=", String(pool)))
        .groupBy(["p.pool_id", "n.run_id"])
        .orderBy(sql`sum(p.spent)`, "desc")
        .orderBy("p.pool_id")
        .orderBy("n.run_id")
        .limit(limit)
        .execute(),
  },
} satisfies Questions;
