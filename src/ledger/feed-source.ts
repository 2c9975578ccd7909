/** What the feed reads: the journal after a cursor, and where the pools stand now. */
import type { Kysely } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";
import { eventsAfter, type Scope } from "./call.js";
import type { Caller } from "./caller.js";
import type { FeedSource } from "./feed.js";

/** The feed's source in a database; `hint` is told by whoever listens. */
export function feedSource(
  caller: Caller,
  db: Kysely<LedgerViews>,
  tenantId: string,
  hint: FeedSource["hint"],
): FeedSource {
  return {
    tenantId,
    page: (after, limit, scope) => caller.call((client) => eventsAfter(client, tenantId, after, limit, scope)),
    beforeLatest: (count, scope) => caller.read(() => beforeLatest(db, tenantId, count, scope)),
    hint,
  };
}

/**
 * Heads first: what happens until the latest rows are read is behind the heads, and so still to come. Of a pool with rows among
 * the latest, all from the first of those on.
 */
async function beforeLatest(
  db: Kysely<LedgerViews>,
  tenantId: string,
  count: number,
  scope: Scope,
): Promise<Record<string, string>> {
  const seen = new Map<string, bigint>();
  const within = poolsIn(db, tenantId, scope);
  const heads = await within.select(["h.pool_id", "h.seq"]).execute();
  for (const { pool_id, seq } of heads) seen.set(pool_id, BigInt(seq));
  if (count === 0 || heads.length === 0) return texts(seen);
  const latest = await db
    .selectFrom("journal as j")
    .where("j.tenant_id", "=", tenantId)
    .where("j.pool_id", "in", within.select("h.pool_id"))
    .orderBy("j.recorded_at", "desc")
    .orderBy("j.pool_id", "desc")
    .orderBy("j.seq", "desc")
    .limit(count)
    .select(["j.pool_id", "j.seq"])
    .execute();
  for (const { pool_id, seq } of latest) {
    const before = BigInt(seq) - 1n;
    const known = seen.get(pool_id);
    if (known === undefined || before < known) seen.set(pool_id, before);
  }
  return texts(seen);
}

function texts(seen: ReadonlyMap<string, bigint>): Record<string, string> {
  return Object.fromEntries([...seen].map(([poolId, seq]) => [poolId, String(seq)]));
}

/** The heads of the pools in the scope. */
function poolsIn(db: Kysely<LedgerViews>, tenantId: string, { run, pool }: Scope) {
  const all = db.selectFrom("pool_heads as h").where("h.tenant_id", "=", tenantId);
  const named = pool === undefined ? all : all.where("h.pool_id", "=", pool);
  if (run === undefined) return named;
  return named.where(({ exists, selectFrom }) =>
    exists(
      selectFrom("pools as p")
        .whereRef("p.tenant_id", "=", "h.tenant_id")
        .whereRef("p.pool_id", "=", "h.pool_id")
        .where("p.run_id", "=", run)
        .select("p.pool_id"),
    ),
  );
}
