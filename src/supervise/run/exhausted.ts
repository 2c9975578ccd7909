/** Whether a run can pay for nothing more. */
import type { Ledger } from "../../ledger/ledger.js";

/**
 * Whether nothing is left of some capped channel that the run pays with, its own or one above. A channel that never had anything is
 * none of these.
 */
export async function isExhausted(ledger: Ledger, runId: string): Promise<boolean> {
  const payers = await ledger.read((db) =>
    db
      .selectFrom("channels as own")
      .innerJoin("channels as payer", (join) =>
        join
          .onRef("payer.tenant_id", "=", "own.tenant_id")
          .onRef("payer.pool_id", "=", "own.payer_pool_id")
          .onRef("payer.channel", "=", "own.channel"),
      )
      .where("own.tenant_id", "=", ledger.tenantId)
      .where("own.pool_id", "=", runId)
      .where("payer.free", "<=", "0")
      .where((row) => row.or([row("payer.total", ">", "0"), row("payer.committed", ">", "0")]))
      .select("own.channel")
      .execute(),
  );
  return payers.length > 0;
}
