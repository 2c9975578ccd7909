/** Every call of a `ledger.*` function that the client makes: named notation, one place. */
import type pg from "pg";
import { exactTypes } from "../database/connect.js";
import type { JournalRow } from "../database/schema.generated.js";
import type { Answer, Operation } from "./protocol.js";

/** What a call needs of a connection. */
export type Queryable = Pick<pg.ClientBase, "query">;

/**
 * After this long without an answer the connection counts as lost: a server may hang, and a caller must not. Waiting for the
 * locks of others is included, so it is long.
 */
const ANSWER_TIMEOUT_MS = 60_000;

/** What `pg` takes besides what its types say. */
type TimedQuery = pg.QueryConfig & { readonly query_timeout: number };

const types = exactTypes();

const timed = (text: string, values: unknown[], timeoutMs = ANSWER_TIMEOUT_MS): TimedQuery => {
  return { text, values, types, query_timeout: timeoutMs };
};

/** A hint is not worth waiting for. */
const HINT_TIMEOUT_MS = 2_000;

/** `ledger.submit`: a transaction of its own, locks first, in one round trip. */
export async function submit(
  client: Queryable,
  tenantId: string,
  operations: readonly Operation[],
  atomic: boolean,
): Promise<Answer[]> {
  const text = `call ledger.submit(
    p_tenant_id => $1::text, p_operations => $2::jsonb, p_atomic => $3::boolean, p_results => null::jsonb)`;
  const { rows } = await client.query<{ p_results: Answer[] }>(
    timed(text, [tenantId, JSON.stringify(operations), atomic]),
  );
  return rows[0]?.p_results ?? [];
}

/** `ledger.apply` in the serializable transaction that the connection is in. */
export async function apply(
  client: Queryable,
  tenantId: string,
  operations: readonly Operation[],
  atomic: boolean,
): Promise<Answer[]> {
  const text = `select a.position, a.status, a.code, a.result from ledger.apply(
    p_tenant_id => $1::text, p_operations => $2::jsonb, p_atomic => $3::boolean) a order by a.position`;
  return (await client.query<Answer>(timed(text, [tenantId, JSON.stringify(operations), atomic]))).rows;
}

/** Begins a transaction that the ledger accepts writes in. */
export async function begin(client: Queryable): Promise<void> {
  await client.query(timed("begin isolation level serializable", []));
}

/** Ends it; answers what the server did, which is ROLLBACK where the transaction had failed. */
export async function commit(client: Queryable): Promise<string> {
  return (await client.query(timed("commit", []))).command;
}

/** Undoes it. */
export async function rollback(client: Queryable): Promise<void> {
  await client.query(timed("rollback", []));
}

/** `ledger.lock_pools`: waits for the pools' locks and keeps them for the session, until `takeOver`. */
export async function lockPools(client: Queryable, tenantId: string, pools: readonly string[]): Promise<void> {
  const text = "call ledger.lock_pools(p_tenant_id => $1::text, p_pool_ids => $2::text[])";
  await client.query(timed(text, [tenantId, pools]));
}

/** `ledger.take_over`: gives the locks to the transaction that the connection is in. Its first statement. */
export async function takeOver(client: Queryable, tenantId: string, pools: readonly string[]): Promise<void> {
  await client.query(
    timed("select ledger.take_over(p_tenant_id => $1::text, p_pool_ids => $2::text[])", [tenantId, pools]),
  );
}

/** What to read of the feed: all of the tenant, a run or a pool. */
export interface Scope {
  readonly run?: string | undefined;
  readonly pool?: string | undefined;
}

/** The next rows of the journal after a cursor (pool id -> last seq): per pool without a gap, across pools by time. */
export async function eventsAfter(
  client: Queryable,
  tenantId: string,
  after: Readonly<Record<string, string>>,
  limit: number,
  { run, pool }: Scope,
): Promise<JournalRow[]> {
  const text = `select j.* from ledger.events(
      p_tenant_id => $1::text, p_after => $2::jsonb, p_limit => $3::integer, p_run_id => $4::text, p_pool_id => $5::text) e
    left join ledger.journal j on j.tenant_id = $1::text and j.pool_id = e.pool_id and j.seq = e.seq
    order by e.place`;
  const seen = Object.fromEntries(Object.entries(after).map(([poolId, seq]) => [poolId, Number(seq)]));
  const query = timed(text, [tenantId, JSON.stringify(seen), limit, run ?? null, pool ?? null]);
  return (await client.query<JournalRow>(query)).rows;
}

/** `ledger.follow`: from now on this session hears when somebody announces events of the tenant. */
export async function follow(client: Queryable, tenantId: string): Promise<void> {
  await client.query(timed("select ledger.follow(p_tenant_id => $1::text)", [tenantId]));
}

/** `ledger.announce`: tells those who follow the tenant that there is something to read. */
export async function announce(client: Queryable, tenantId: string): Promise<void> {
  await client.query(timed("select ledger.announce(p_tenant_id => $1::text)", [tenantId], HINT_TIMEOUT_MS));
}

/** `ledger.create_tenant`, by an administrator. */
export async function createTenant(client: Queryable, tenantId: string): Promise<void> {
  await client.query("select ledger.create_tenant(p_tenant_id => $1::text)", [tenantId]);
}

/** `ledger.bind_role`, by an administrator: the login role acts for that tenant from now on (`*` = all). */
export async function bindRole(client: Queryable, role: string, tenantId: string): Promise<void> {
  await client.query("select ledger.bind_role(p_role => $1::text, p_tenant_id => $2::text)", [role, tenantId]);
}

/** `ledger.caller_tenant`: whom this login acts for (`*` = all, null = nobody). */
export async function callerTenant(client: Queryable): Promise<string | null> {
  const { rows } = await client.query<{ tenant_id: string | null }>("select ledger.caller_tenant() as tenant_id");
  return rows[0]?.tenant_id ?? null;
}
