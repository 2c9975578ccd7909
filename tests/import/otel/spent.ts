/** Reading what was booked of a trace. */
import type { Ledger } from "../../../src/ledger/ledger.js";

/** What a run spent: input, output, whether all is known, and how many calls and tools stand in its journal. */
export async function spentIn(ledger: Ledger, run: string) {
  const total = (await ledger.spentBreakdown(run)).find(({ source }) => source === "total");
  const rows = await ledger.db
    .selectFrom("journal")
    .select(({ fn }) => fn.countAll().as("rows"))
    .where("pool_id", "=", run)
    .where("kind", "=", "metered")
    .executeTakeFirstOrThrow();
  return [Number(total?.input_tokens), Number(total?.output_tokens), total?.tokens_known, Number(rows.rows)];
}
