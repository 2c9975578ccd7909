/** Who pays for what in a pool: fixed when it opens, so it is asked once. */
import { LedgerError } from "./errors.js";
import type { Writer } from "./writer.js";

/** Who caps a channel: the pool itself, a pool above it, or nobody. */
export type Cap = "own" | "above" | "none";

/**
 * Reads who caps the channels of a pool.
 * @throws {LedgerError} LG002 where there is no such pool, or the caller may not see it.
 */
export async function capsOf({ db, tenantId, read }: Writer, poolId: string): Promise<Readonly<Record<string, Cap>>> {
  const query = db
    .selectFrom("channels")
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", poolId)
    .select(["channel", "capped", "payer_pool_id"]);
  const rows = await read(() => query.execute());
  if (rows.length === 0) throw new LedgerError("LG002", `there is no pool ${poolId}`, { detail: { path: "pool_id" } });
  const cap = (capped: boolean, payer: string | null): Cap => (capped ? "own" : payer === null ? "none" : "above");
  return Object.fromEntries(rows.map((row) => [row.channel, cap(row.capped, row.payer_pool_id)]));
}
