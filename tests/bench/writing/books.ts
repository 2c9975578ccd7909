/** Opening books, and looking into them: what callers were told is what is booked, nothing lost, nothing twice. */
import type pg from "pg";
import { connect } from "../../../src/database/connect.js";
import type { Load, Told } from "./loads/load.js";
import { plus } from "./loads/load.js";
import type { Database } from "./place.js";

/** Totals that no case comes near. */
const TOTALS = { tokens: { total: 9e15 }, iterations: { total: 9e15 }, usd: { total: "900000000000" } };

/** Pools a call. */
const BATCH = 200;

/** So many ids of pools, as long as those that the client makes; the scripts of `pgbench/` spell them too. */
export function poolIds(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `pools${String(n + 1).padStart(12, "0")}`);
}

/** Makes a tenant with pools of three capped channels. */
export async function openBooks({ superuser }: Database, tenant: string, pools: readonly string[]): Promise<void> {
  await superuser.query("select ledger.create_tenant($1)", [tenant]);
  for (let from = 0; from < pools.length; from += BATCH) {
    const operations = pools.slice(from, from + BATCH).map((pool_id) => {
      return { op: "open_pool", operation_id: `open_pool:${pool_id}`, pool_id, channels: TOTALS };
    });
    const call = "select count(*) from ledger.apply($1, $2::jsonb) where status <> 'ok'";
    const { rows } = await superuser.query(call, [tenant, JSON.stringify(operations)]);
    if (rows[0].count !== "0") throw new Error(`${rows[0].count} pools could not be opened`);
  }
}

/** What the journal and the balances of a tenant hold, in the terms in which callers are told. */
export async function booked(client: pg.ClientBase, tenant: string): Promise<Told> {
  const { rows } = await client.query<Record<string, string>>(
    `select count(*) filter (where kind = 'metered')::text as metered, count(*) filter (where kind = 'spawned')::text as spawned,
        count(*) filter (where kind = 'settled')::text as settled, coalesce(sum(charged_tokens), 0)::text as tokens,
        coalesce(trunc(sum(usd) * 1000000), 0)::text as usd_millionths, coalesce(sum(seq) filter (where kind = 'metered'), 0)::text as seqs,
        coalesce(sum(seq) filter (where kind = 'settled'), 0)::text as settled_seqs
      from ledger.journal where tenant_id = $1 and source_pool_id is null`,
    [tenant],
  );
  const committed =
    "select coalesce(sum(committed), 0)::text as tokens from ledger.channels where tenant_id = $1 and channel = 'tokens'";
  const { rows: balances } = await client.query<{ tokens: string }>(committed, [tenant]);
  return numbers({ ...rows[0], committed_tokens: balances[0]?.tokens ?? "0" });
}

/** The one row of a baseline's books. */
export async function bookedBy(client: pg.ClientBase, text: string): Promise<Told> {
  const { rows } = await client.query<Record<string, string>>(text);
  return numbers(rows[0] ?? {});
}

const numbers = (row: Readonly<Record<string, string>>): Told =>
  Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value)]));

/** Where the books differ from what callers were told, and calls that failed. */
export function differences(what: string, loads: readonly Load[], books: Told, before: Told = {}): string[] {
  const told = loads.map((load) => load.told).reduce(plus, {});
  const expected = told.tokens === undefined ? told : { ...told, committed_tokens: told.tokens };
  const differing = Object.entries(expected)
    .map(([key, value]) => ({ key, value, found: (books[key] ?? Number.NaN) - (before[key] ?? 0) }))
    .filter(({ key, value, found }) => value !== found && (key in books || key !== "committed_tokens"))
    .map(({ key, value, found }) => `${what}: callers were told ${value} ${key}, the books hold ${found}`);
  return [...loads.flatMap(({ failures }) => failures.map((failure) => `${what}: ${failure}`)), ...differing];
}

/** What `ledger.audit` finds in a tenant's books, asked on a connection of its own. */
export async function audit({ url }: Pick<Database, "url">, tenant: string): Promise<string[]> {
  const client = await connect(url);
  try {
    // It sorts whole journals.
    await client.query("set work_mem = '256MB'");
    const text = "select rule, pool_id, detail from ledger.audit where tenant_id = $1 limit 10";
    const { rows } = await client.query(text, [tenant]);
    return rows.map((row) => `ledger.audit of ${tenant}: ${JSON.stringify(row)}`);
  } finally {
    await client.end();
  }
}

/** All of it for a tenant: the audit, and the books beside what these loads were told. */
export async function checked(
  database: Database,
  tenant: string,
  loads: readonly Load[],
  before?: Told,
): Promise<string[]> {
  const books = await booked(database.superuser, tenant);
  return [...differences(tenant, loads, books, before), ...(await audit(database, tenant))];
}
