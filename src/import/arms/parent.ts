/** The pool that imported runs stand under. */
import { Complaint } from "../../database/complaint.js";
import type { Ledger } from "../../ledger/ledger.js";

/** A pool and the channels that it caps itself: those its children have to ask for. They never change. */
export interface Parent {
  readonly poolId: string;
  readonly capped: ReadonlySet<string>;
}

/**
 * Looks the pool up.
 * @throws {Complaint} where there is none, or one that can hold no run.
 */
export async function readParent({ db, tenantId }: Pick<Ledger, "db" | "tenantId">, poolId: string): Promise<Parent> {
  const pool = await db
    .selectFrom("pools")
    .select(["state", "run_id"])
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", poolId)
    .executeTakeFirst();
  if (!pool) throw new Complaint(`There is no pool ${poolId}: agent-ledger pool open ${poolId} opens one`);
  if (pool.run_id !== null) {
    throw new Complaint(
      `The pool ${poolId} belongs to the run ${pool.run_id}, and a run holds no run: name a pool above`,
    );
  }
  const channels = await db
    .selectFrom("channels")
    .select("channel")
    .where("tenant_id", "=", tenantId)
    .where("pool_id", "=", poolId)
    .where("capped", "=", true)
    .execute();
  return { poolId, capped: new Set(channels.map(({ channel }) => channel)) };
}
