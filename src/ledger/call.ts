/** Every call of a `ledger.*` function that the client makes: named notation, one place. */
import type pg from "pg";
import { exactTypes } from "../database/connect.js";
import type { JournalRow } from "../database/schema.generated.js";
import type { CallTokens } from "./estimate.js";
import type { CheckedPrice } from "./prices.js";
import type { Answer } from "./protocol.js";

/** What a call needs of a connection. */
export type Queryable = Pick<pg.ClientBase, "query">;

/**
 * After this long without an answer the connection counts as lost: a server may hang, and a caller must not. Waiting for the
 * locks of others is included, so it is long.
 */
const ANSWER_TIMEOUT_MS = 60_000;

/** A whole catalogue is thousands of prices. */
const BOOK_TIMEOUT_MS = 300_000;

/** What `pg` takes besides what its types say. */
type TimedQuery = pg.QueryConfig & { readonly query_timeout: number };

const types = exactTypes();

const timed = (text: string, values: unknown[], timeoutMs = ANSWER_TIMEOUT_MS): TimedQuery => {
  return { text, values, types, query_timeout: timeoutMs };
};

/** A hint is not worth waiting for. */
const HINT_TIMEOUT_MS = 2_000;

/** `ledger.submit`, of a batch as JSON text: a transaction of its own, locks first, in one round trip. */
export async function submit(
  client: Queryable,
  tenantId: string,
  operations: string,
  atomic: boolean,
): Promise<Answer[]> {
  const text = `call ledger.submit(
    p_tenant_id => $1::text, p_operations => $2::jsonb, p_atomic => $3::boolean, p_results => null::jsonb)`;
  const { rows } = await client.query<{ p_results: Answer[] }>(timed(text, [tenantId, operations, atomic]));
  return rows[0]?.p_results ?? [];
}

/** `ledger.apply`, of a batch as JSON text, in the serializable transaction that the connection is in. */
export async function apply(
  client: Queryable,
  tenantId: string,
  operations: string,
  atomic: boolean,
): Promise<Answer[]> {
  const text = `select a.position, a.status, a.code, a.result from ledger.apply(
    p_tenant_id => $1::text, p_operations => $2::jsonb, p_atomic => $3::boolean) a order by a.position`;
  return (await client.query<Answer>(timed(text, [tenantId, operations, atomic]))).rows;
}

/** Begins a transaction that the ledger accepts writes in. */
export async function begin(client: Queryable): Promise<void> {
  await client.query(timed("begin isolation level serializable", []));
}

/** Begins a transaction that sees one state of the database and writes nothing. */
export async function beginReading(client: Queryable): Promise<void> {
  await client.query(timed("begin isolation level repeatable read read only", []));
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

/** `ledger.put_blob`: stores an artifact and answers its reference. */
export async function putBlob(client: Queryable, tenantId: string, body: Uint8Array): Promise<string> {
  const text = "select ledger.put_blob(p_tenant_id => $1::text, p_body => $2::bytea) as ref";
  const { rows } = await client.query<{ ref: string }>(timed(text, [tenantId, Buffer.from(body)]));
  return rows[0]?.ref ?? "";
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

/**
 * Asks by way of `ledger.events`, of a pool that cannot be, so that nothing is read: views are empty for those who may not see
 * them, and that must not read as nothing spent. Fails with LG009 and LG012.
 */
export async function assertTenant(client: Queryable, tenantId: string): Promise<void> {
  const text = "select e.seq from ledger.events(p_tenant_id => $1::text, p_limit => 1, p_pool_id => '') e";
  await client.query(timed(text, [tenantId]));
}

/** `ledger.note_retries`: so many calls were repeated since the last time. Writers and administrators. */
export async function noteRetries(client: Queryable, tenantId: string, retries: number): Promise<void> {
  const text = "select ledger.note_retries(p_tenant_id => $1::text, p_retries => $2::integer)";
  await client.query(timed(text, [tenantId, retries], HINT_TIMEOUT_MS));
}

/** `ledger.put_prices`: writes a book of prices, once. Answers what the function does. */
export async function putPrices(
  client: Queryable,
  tenantId: string,
  book: string,
  prices: readonly CheckedPrice[],
  source: string | null,
): Promise<number> {
  const text = `select ledger.put_prices(
    p_tenant_id => $1::text, p_book => $2::text, p_prices => $3::jsonb, p_source => $4::text) as prices`;
  const query = timed(text, [tenantId, book, JSON.stringify(prices), source], BOOK_TIMEOUT_MS);
  return (await client.query<{ prices: number }>(query)).rows[0]?.prices ?? 0;
}

/** `ledger.use_prices`: from now on calls are priced from that book; null = from none. */
export async function usePrices(client: Queryable, tenantId: string, book: string | null): Promise<void> {
  await client.query(timed("select ledger.use_prices(p_tenant_id => $1::text, p_book => $2::text)", [tenantId, book]));
}

/** `ledger.estimate_of`: dollars, null = unknown. */
export async function estimateOf(
  client: Queryable,
  tenantId: string,
  { provider, model, input_tokens, output_tokens }: CallTokens,
): Promise<string | null> {
  const text = `select trim_scale(ledger.estimate_of(p_tenant_id => $1::text, p_provider => $2::text, p_model => $3::text,
    p_input_tokens => $4::numeric, p_output_tokens => $5::numeric)) as usd`;
  const query = timed(text, [tenantId, provider, model, String(input_tokens), String(output_tokens)]);
  return (await client.query<{ usd: string | null }>(query)).rows[0]?.usd ?? null;
}

/** `ledger.create_tenant`, by an administrator. */
export async function createTenant(client: Queryable, tenantId: string): Promise<void> {
  await client.query("select ledger.create_tenant(p_tenant_id => $1::text)", [tenantId]);
}

/** `ledger.bind_role`, by an administrator: the login role acts for that tenant from now on (`*` = all). */
export async function bindRole(client: Queryable, role: string, tenantId: string): Promise<void> {
  await client.query("select ledger.bind_role(p_role => $1::text, p_tenant_id => $2::text)", [role, tenantId]);
}

/** What a stretch of pruning did: how many operations went, and where to go on; null at the end. */
export interface Pruned {
  readonly pruned: number;
  readonly next_block: number | null;
}

/** Archiving a long run takes as long as it takes, in short transactions. */
const ARCHIVE_TIMEOUT_MS = 3_600_000;

/** `ledger.prune`, by an administrator: so many blocks of the kept operations. Tenant null = all; older than null = each tenant's window. */
export async function prune(
  client: Queryable,
  tenantId: string | null,
  olderThan: string | null,
  from: number,
  blocks: number,
): Promise<Pruned> {
  const text = `call ledger.prune(p_tenant_id => $1::text, p_older_than => $2::interval, p_from => $3::bigint,
    p_blocks => $4::bigint, p_result => null::jsonb)`;
  const { rows } = await client.query<{ p_result: Pruned }>(timed(text, [tenantId, olderThan, from, blocks]));
  return rows[0]?.p_result ?? { pruned: 0, next_block: null };
}

/** `ledger.archive_run`, by an administrator: what an export holds of a closed run leaves the journal. Answers how many events went. */
export async function archiveRun(
  client: Queryable,
  tenantId: string,
  runId: string,
  heads: Readonly<Record<string, number>>,
  exportDigest: string,
): Promise<number> {
  const text = `call ledger.archive_run(p_tenant_id => $1::text, p_run_id => $2::text, p_heads => $3::jsonb,
    p_export_digest => $4::text, p_result => null::jsonb)`;
  const values = [tenantId, runId, JSON.stringify(heads), exportDigest];
  const { rows } = await client.query<{ p_result: { moved: number } }>(timed(text, values, ARCHIVE_TIMEOUT_MS));
  return rows[0]?.p_result.moved ?? 0;
}

/** `ledger.caller_tenant`: whom this login acts for (`*` = all, null = nobody). */
export async function callerTenant(client: Queryable): Promise<string | null> {
  const { rows } = await client.query<{ tenant_id: string | null }>("select ledger.caller_tenant() as tenant_id");
  return rows[0]?.tenant_id ?? null;
}
