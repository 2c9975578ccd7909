/** Usage lines of runs and pools with what is known of each today: a correction makes the lines of its event known, or unknown, too. */
import { type Kysely, type SqlBool, sql } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";

/** Of which run, and of which pools; all of the tenant where neither is named. */
export interface Within {
  readonly run?: string | undefined;
  readonly pools?: readonly string[] | undefined;
}

/** A query over `u`, the lines, and `c`, the last correction of each line's event. A correction is of the run and pool of its event. */
export function linesOf(
  { db, tenantId }: { readonly db: Kysely<LedgerViews>; readonly tenantId: string },
  { run, pools }: Within,
) {
  const within = (row: string): ReturnType<typeof sql<SqlBool>> => {
    const ofRun = run === undefined ? sql`true` : sql`${sql.ref(`${row}.run_id`)} = ${run}`;
    const ofPools = pools === undefined ? sql`true` : sql`${sql.ref(`${row}.pool_id`)} = any(${[...pools]}::text[])`;
    return sql<SqlBool>`(${ofRun} and ${ofPools})`;
  };
  const corrections = db
    .selectFrom("journal as k")
    .distinctOn(["pool_id", "corrects_seq"])
    .select(["pool_id", "corrects_seq", "tokens_known", "usd_known"])
    .select(sql<string>`sum(usd) over (partition by pool_id, corrects_seq)`.as("usd"))
    .where("tenant_id", "=", tenantId)
    .where(within("k"))
    .where("source_pool_id", "is", null)
    .where("corrects_seq", "is not", null)
    .orderBy("pool_id")
    .orderBy("corrects_seq")
    .orderBy("seq", "desc");
  return db
    .selectFrom("usage_lines as u")
    .leftJoin(corrections.as("c"), (join) =>
      join.onRef("c.pool_id", "=", "u.pool_id").onRef("c.corrects_seq", "=", "u.seq"),
    )
    .where("u.tenant_id", "=", tenantId)
    .where(within("u"));
}

/** Nobody said what was used, nor corrected that since. */
const DARK = sql<boolean>`(u.input_tokens = 0 and u.output_tokens = 0 and not coalesce(c.tokens_known, u.tokens_known, true))`;

/** Whether all lines of a group report their tokens. */
export const TOKENS_KNOWN = sql<boolean>`bool_and(coalesce(c.tokens_known, u.tokens_known, true))`;

/** Whether all lines of a group report their dollars. */
export const USD_KNOWN = sql<boolean>`bool_and(coalesce(c.usd_known, u.usd_known, true))`;

/**
 * Model calls of a group of lines. A driver is metered call by call, whatever iterations it sends; a child's calls are the iterations
 * it was settled with. A metered event of which nothing is known may stand for any number of calls: it counts as none.
 */
export const CALLS = sql<string>`sum(case when u.kind <> 'metered' then u.iterations when ${DARK} then 0 else greatest(u.iterations, 1) end)`;

/** Whether `CALLS` is all there were. */
export const CALLS_KNOWN = sql<boolean>`not bool_or(u.kind = 'metered' and ${DARK})`;

/** Dollars of a group of lines, as far as anybody said or estimated any. */
export const USD = sql<string | null>`sum(u.usd)`;

/** Those with a receipt, and those charged without one. */
export const RECEIPT_USD = sql<string>`trim_scale(coalesce(sum(u.usd), 0) - sum(u.uncertain_usd))`;
export const ESTIMATED_USD = sql<string>`trim_scale(sum(u.uncertain_usd))`;

/** Events of a group of lines that nobody could price, nor has since: nothing is charged for them. */
export const UNKNOWN_USD_EVENTS = sql<string>`count(distinct (u.pool_id, u.seq)) filter (where u.kind <> 'corrected'
  and not coalesce(c.usd_known, u.usd_known, true) and u.uncertain_usd = 0
  and case when c.pool_id is null then u.usd is null else coalesce(u.usd, 0) + c.usd = 0 end)`;
