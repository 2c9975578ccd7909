/** What the ledger booked of the calls of a pool. */
import { createHash } from "node:crypto";
import type { BudgetPool } from "../../src/ledger/budget-pool.js";
import type { Ledger } from "../../src/ledger/ledger.js";

/** The settlements of a pool's calls, in order. */
export function settlements(ledger: Ledger, pool: BudgetPool) {
  return ledger.db
    .selectFrom("journal")
    .selectAll()
    .where("pool_id", "=", pool.poolId)
    .where("kind", "=", "settled")
    .orderBy("seq")
    .execute();
}

/** Counts and flags of the latest: input, output, whether they are known, dollars (null = unknown), outcome. */
export async function latest(ledger: Ledger, pool: BudgetPool) {
  const row = (await settlements(ledger, pool)).at(-1);
  return [Number(row?.input_tokens), Number(row?.output_tokens), row?.tokens_known, row?.usd, row?.outcome];
}

/** As the ledger keeps the arguments of a tool, worked out from their canonical JSON. */
export function digestOf(canonical: string): string {
  return `sha256:${createHash("sha256").update(canonical).digest("hex")}`;
}
