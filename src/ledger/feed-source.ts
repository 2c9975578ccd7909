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
    heads: (scope) => caller.read(() => heads(db, tenantId, scope)),
    hint,
  };
}

async function heads(db: Kysely<LedgerViews>, tenantId: string, { run, pool }: Scope): Promise<Record<string, string>> {
  let query = db.selectFrom("pool_heads as h").where("h.tenant_id", "=", tenantId);
  if (pool !== undefined) query = query.where("h.pool_id", "=", pool);
  if (run !== undefined) {
    query = query.where(({ exists, selectFrom }) =>
      exists(
        selectFrom("pools as p")
          .whereRef("p.tenant_id", "=", "h.tenant_id")
          .whereRef("p.pool_id", "=", "h.pool_id")
          .where("p.run_id", "=", run)
          .select("p.pool_id"),
      ),
    );
  }
  const rows = await query.select(["h.pool_id", "h.seq"]).execute();
  return Object.fromEntries(rows.map(({ pool_id, seq }) => [pool_id, seq]));
}
