/** How many model calls a run made, counted from the journal. */
import { sql } from "kysely";
import type { Ledger } from "../../ledger/ledger.js";

/** Calls of a run, and when its first event happened. */
export interface Calls {
  readonly calls: string;
  readonly calls_known: boolean;
  readonly first: Date;
}

/** By run id; counted as in a breakdown (`lines.ts`), for any number of runs at once. */
export async function callsOf(ledger: Ledger, runIds?: readonly string[]): Promise<Map<string, Calls>> {
  const rows = await ledger.db
    .selectFrom("journal as j")
    .select(({ fn }) => [
      "run_id",
      fn.min("effective_at").as("first"),
      CALLS.as("calls"),
      CALLS_KNOWN.as("calls_known"),
    ])
    .where("tenant_id", "=", ledger.tenantId)
    .where("run_id", "is not", null)
    .where("source_pool_id", "is", null)
    .$if(runIds !== undefined, (query) => query.where("run_id", "in", [...(runIds ?? [])]))
    .groupBy("run_id")
    .execute();
  return new Map(rows.map(({ run_id, ...row }) => [String(run_id), row]));
}

/** Nobody said what was used, nor corrected that since. */
const DARK = sql<boolean>`(j.kind = 'metered' and j.input_tokens = 0 and j.output_tokens = 0 and not j.tokens_known
  and not exists (select from ledger.journal c
    where c.tenant_id = j.tenant_id and c.pool_id = j.pool_id and c.corrects_seq = j.seq and c.tokens_known))`;

const CALLS = sql<string>`coalesce(sum(case
  when j.kind in ('settled', 'cancelled', 'expired', 'corrected') then coalesce(j.iterations, 0)
  when j.kind <> 'metered' or ${DARK} then 0
  else greatest(j.iterations, 1) end), 0)`;

const CALLS_KNOWN = sql<boolean>`not bool_or(${DARK})`;
