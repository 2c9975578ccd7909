/** Questions about spend: by node, model, tool and price book, and what was corrected. */
import { sql } from "kysely";
import {
  CALLS,
  CALLS_KNOWN,
  ESTIMATED_USD,
  linesOf,
  RECEIPT_USD,
  TOKENS_KNOWN,
  UNKNOWN_USD_EVENTS,
  USD,
  USD_KNOWN,
} from "../../ledger/usage-lines.js";
import { isShown, poolsShown } from "../bounds.js";
import type { Questions } from "./question.js";

/** By their names. */
export const spend = {
  runs: {
    asks: "the runs there are, the latest first, and how they ended",
    takes: ["experiment"],
    of: "runs",
    rows: (view, { experiment }, limit) =>
      view.db
        .selectFrom("runs")
        .select([
          "run_id",
          "label",
          "experiment",
          "arm",
          "task",
          "replicate",
          "outcome",
          "reason",
          "resolved",
          "opened_at",
        ])
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "runs", "run_id"))
        .$if(experiment !== undefined, (one) => one.where("experiment", "=", String(experiment)))
        .orderBy("opened_at", "desc")
        .orderBy("run_id")
        .limit(limit)
        .execute(),
  },
  money_by_node: {
    asks: "where the dollars of a run went, the node with the largest own spend first",
    takes: ["run"],
    of: "runs",
    rows: (view, { run }, limit) =>
      view.db
        .selectFrom("trajectory")
        .select(["node_id", "parent_node_id", "label", "status", "own_charged_tokens", "own_usd", "own_uncertain_usd"])
        .select(["rolled_up_charged_tokens", "rolled_up_usd", "rolled_up_tokens_known", "rolled_up_usd_known"])
        .where("tenant_id", "=", view.tenantId)
        .where("run_id", "=", String(run))
        .orderBy("own_usd", "desc")
        .orderBy("own_charged_tokens", "desc")
        .orderBy("node_id")
        .limit(limit)
        .execute(),
  },
  models_per_day: {
    asks: "which models were used on which day (UTC), and for how much; the latest first",
    takes: ["run"],
    of: "pools",
    rows: (view, { run }, limit) =>
      linesOf(view, { run, pools: poolsShown(view, { run }) })
        .select([sql<string>`(u.effective_at at time zone 'UTC')::date`.as("day"), "u.provider", "u.model"])
        .select([CALLS.as("calls"), CALLS_KNOWN.as("calls_known")])
        .select(sql<string>`sum(u.input_tokens)`.as("input_tokens"))
        .select(sql<string>`sum(u.cache_read_tokens)`.as("cache_read_tokens"))
        .select(sql<string>`sum(u.output_tokens)`.as("output_tokens"))
        .select([sql<string | null>`trim_scale(${USD})`.as("usd"), RECEIPT_USD.as("receipt_usd")])
        .select([ESTIMATED_USD.as("estimated_usd"), UNKNOWN_USD_EVENTS.as("unknown_usd_events")])
        .select([TOKENS_KNOWN.as("tokens_known"), USD_KNOWN.as("usd_known")])
        .groupBy([sql`1`, "u.provider", "u.model"])
        .orderBy("day", "desc")
        .orderBy("u.provider")
        .orderBy("u.model")
        .limit(limit)
        .execute(),
  },
  tools: {
    asks: "which tools were called most, and what the turns cost that called them; a turn with several tools counts in each",
    takes: ["run"],
    of: "runs",
    rows: (view, { run }, limit) =>
      view.db
        .selectFrom("usage_by_tool")
        .select("tool")
        .select(sql<string>`sum(calls)`.as("calls"))
        .select(sql<string>`sum(events)`.as("turns"))
        .select(sql<string>`sum(charged_tokens)`.as("charged_tokens"))
        .select(sql<string | null>`trim_scale(sum(usd))`.as("usd"))
        .select(sql<boolean>`bool_and(tokens_known)`.as("tokens_known"))
        .select(sql<boolean>`bool_and(usd_known)`.as("usd_known"))
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "runs", "run_id", { run }))
        .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
        .groupBy("tool")
        .orderBy(sql`sum(calls)`, "desc")
        .orderBy("tool")
        .limit(limit)
        .execute(),
  },
  tool_findings: {
    asks: "calls of tools that repeat themselves (repeated-action) or fail in a row (error-streak), at 3 and at each doubling; the longest first",
    takes: ["pool", "run"],
    of: "pools",
    rows: (view, { pool, run }, limit) =>
      view.db
        .selectFrom("tool_findings")
        .select(["run_id", "pool_id", "detector", "tool", "arguments", "streak", "first_seq", "seq", "effective_at"])
        .where("tenant_id", "=", view.tenantId)
        .where(isShown(view, "pools", "pool_id", { pool, run }))
        .$if(pool !== undefined, (one) => one.where("pool_id", "=", String(pool)))
        .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
        .orderBy("streak", "desc")
        .orderBy("pool_id")
        .orderBy("seq")
        .orderBy("detector")
        .limit(limit)
        .execute(),
  },
  corrections: {
    asks: "what was corrected, why and who recorded it, the latest first; figures are differences",
    takes: ["pool", "run"],
    of: "pools",
    rows: (view, { pool, run }, limit) =>
      view.db
        .selectFrom("journal")
        .select(["pool_id", "seq", "corrects_seq", "run_id", "node_id", "reason", "charged_tokens", "usd"])
        .select(["uncertain_usd", "tokens_known", "usd_known", "recorded_by", "recorded_at"])
        .where("tenant_id", "=", view.tenantId)
        .where("kind", "=", "corrected")
        .where("source_pool_id", "is", null)
        .where(isShown(view, "pools", "pool_id", { pool, run }))
        .$if(pool !== undefined, (one) => one.where("pool_id", "=", String(pool)))
        .$if(run !== undefined, (one) => one.where("run_id", "=", String(run)))
        .orderBy("recorded_at", "desc")
        .orderBy("pool_id")
        .orderBy("seq", "desc")
        .limit(limit)
        .execute(),
  },
  price_books: {
    asks: "what a run would cost under each price book, beside what was booked",
    takes: ["run"],
    of: "runs",
    rows: (view, { run }, limit) =>
      view.db
        .selectFrom("run_prices")
        .select(["book", "calls", "unpriced_calls", "usd", "usd_known", "booked_usd", "booked_usd_known"])
        .where("tenant_id", "=", view.tenantId)
        .where("run_id", "=", String(run))
        .orderBy("book")
        .limit(limit)
        .execute(),
  },
} satisfies Questions;
