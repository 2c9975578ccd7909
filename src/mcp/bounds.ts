/**
 * What a server shows. Unbound: all of its tenant. Bound to a pool or run: that pool and every pool below it, and nothing else, so that an agent
 * sees its own budget and not its neighbours'. Thus:
 *
 * - pools, and what is told of pools (balances, holds, refusals, corrections, audit): those at or below it;
 * - runs, and what is told of runs (breakdowns, gaps): those that are at or below it, whole; a driver inside a run sees its own part of the tree;
 * - experiments (gates, arms): those of which every run is at or below it, because a gate tells what every arm cost;
 * - what is told of the tenant as a whole: nothing.
 *
 * What is not shown is answered like what is not there. The one figure from above is what the payer of a channel has left: it is what the pool
 * can spend. The tenant is no matter of this file: row level security holds it.
 */
import { type Kysely, type RawBuilder, type SqlBool, sql } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";
import { LedgerError } from "../ledger/errors.js";

/**
 * More pools at or below one are not listed, since each query would carry them. Whether a single one is below is looked up from it upwards, so that
 * a server on such a pool still answers whatever names what it is about; what is about all of them at once is refused.
 */
const MOST_POOLS = 10_000;

/** What a bound server shows, at one moment. */
export interface Bounds {
  readonly root: string;
  /** The run that the root is in, which is the root itself where that is a run; null above runs. */
  readonly rootRun: string | null;
  /** All that is shown; undefined: too many to list. */
  readonly listed: { readonly pools: readonly string[]; readonly runs: readonly string[] } | undefined;
}

/** The views as of one moment, and what of them is shown. */
export interface View {
  readonly db: Kysely<LedgerViews>;
  readonly tenantId: string;
  /** Undefined: everything. */
  readonly bounds: Bounds | undefined;
}

/** A server is bound to a pool, to a run, which is the pool of that id, or to nothing. */
export interface Binding {
  readonly pool?: string | undefined;
  readonly run?: string | undefined;
}

/** LG001 of bad input; LG002, LG003, LG010 of what is not there, or not shown. */
const refused = (code: "LG001" | "LG002" | "LG003" | "LG010", path: string, rule: string): LedgerError =>
  new LedgerError(code, `${path}: ${rule}`, { detail: { path, rule } });

/** Where an argument stands in a call. */
export const argument = (name: string): string => `arguments.${name}`;

const shown = (bounds: Bounds | undefined): string =>
  bounds === undefined ? "" : ` at or below pool ${bounds.root}, which is all that this server shows`;

/** Finds what a server with that binding shows now, listed where it is no more than `most` pools. @throws {LedgerError} LG002, LG003 where what it is bound to is not there. */
export async function boundsOf(
  db: Kysely<LedgerViews>,
  tenantId: string,
  { pool, run }: Binding,
  most = MOST_POOLS,
): Promise<Bounds | undefined> {
  const root = run ?? pool;
  if (root === undefined) return undefined;
  const rows = await poolsBelow(db, tenantId, root, most);
  const top = rows.find(({ pool_id }) => pool_id === root);
  if (run !== undefined && top?.run_id !== run) throw refused("LG003", "run", `there is no run ${run}`);
  if (top === undefined) throw refused("LG002", "pool", `there is no pool ${root}`);
  const isListed = rows.length <= most;
  const pools = rows.map(({ pool_id }) => pool_id);
  const runs = rows.filter(({ pool_id, run_id }) => pool_id === run_id).map(({ pool_id }) => pool_id);
  return { root, rootRun: top.run_id, listed: isListed ? { pools, runs } : undefined };
}

function poolsBelow(
  db: Kysely<LedgerViews>,
  tenantId: string,
  root: string,
  most: number,
): Promise<{ pool_id: string; run_id: string | null }[]> {
  return db
    .withRecursive("below", (q) =>
      q
        .selectFrom("pools as p")
        .select(["p.pool_id", "p.run_id"])
        .where("p.tenant_id", "=", tenantId)
        .where("p.pool_id", "=", root)
        .unionAll(
          q
            .selectFrom("below")
            .innerJoin("pools as c", "c.parent_pool_id", "below.pool_id")
            .select(["c.pool_id", "c.run_id"])
            .where("c.tenant_id", "=", tenantId),
        ),
    )
    .selectFrom("below")
    .select(["pool_id", "run_id"])
    .limit(most + 1)
    .execute();
}

/** Of those pools, the ones that are at or below the root. */
async function shownOf({ db, tenantId }: View, { root }: Bounds, pools: readonly string[]): Promise<Set<string>> {
  const rows = await db
    .withRecursive("above", (q) =>
      q
        .selectFrom("pools as p")
        .select(["p.pool_id as asked", "p.pool_id", "p.parent_pool_id"])
        .where("p.tenant_id", "=", tenantId)
        .where(sql<SqlBool>`p.pool_id = any(${[...pools]}::text[])`)
        .unionAll(
          q
            .selectFrom("above")
            .innerJoin("pools as u", "u.pool_id", "above.parent_pool_id")
            .select(["above.asked", "u.pool_id", "u.parent_pool_id"])
            .where("u.tenant_id", "=", tenantId),
        ),
    )
    .selectFrom("above")
    .select("asked")
    .where("pool_id", "=", root)
    .execute();
  return new Set(rows.map(({ asked }) => asked));
}

/** Whether that pool, which is there, is shown. */
export async function showsPool(view: View, pool: string): Promise<boolean> {
  return view.bounds === undefined || (await shownOf(view, view.bounds, [pool])).has(pool);
}

/** What a question names of what is shown; each was looked up, and is a condition of its query's own. */
interface Named {
  readonly pool?: string | undefined;
  readonly run?: string | undefined;
}

/**
 * The pools that lines of usage may be of; undefined: whatever else the query says.
 * @throws {LedgerError} LG001 where they are too many to list and no run is named.
 */
export function poolsShown({ bounds }: View, { run }: Named): readonly string[] | undefined {
  if (bounds === undefined || bounds.listed) return bounds?.listed?.pools;
  if (run === undefined) throw tooWide(bounds);
  return undefined;
}

/**
 * The condition that a column names a pool, or a run, that is shown.
 * @throws {LedgerError} LG001 where those are too many to list and none is named.
 */
export function isShown(
  { db, tenantId, bounds }: View,
  of: "pools" | "runs",
  column: string,
  { pool, run }: Named = {},
): RawBuilder<SqlBool> {
  if (bounds === undefined) return sql<SqlBool>`true`;
  if (bounds.listed) return sql<SqlBool>`${sql.ref(column)} = any(${[...bounds.listed[of]]}::text[])`;
  if (pool === undefined && run === undefined) throw tooWide(bounds);
  if (of === "runs" || run !== bounds.root) return sql<SqlBool>`true`;
  // What is told of a run also stands in the pool above it.
  const pools = db.selectFrom("pools").select("pool_id").where("tenant_id", "=", tenantId).where("run_id", "=", run);
  return sql<SqlBool>`${sql.ref(column)} in ${pools}`;
}

const tooWide = ({ root }: Bounds): LedgerError =>
  refused(
    "LG001",
    "arguments",
    `ask too much: pool ${root}, which this server is bound to, has too many pools below it to list. ` +
      "Name a pool or run where the question takes one, or ask a server that is bound to fewer",
  );

/** The pool that a call is about: the one it names, else the one that the server is bound to. */
export async function poolOf(view: View, asked: string | undefined): Promise<string> {
  const { db, tenantId, bounds } = view;
  const pool = asked ?? bounds?.root;
  if (pool === undefined) throw refused("LG001", argument("pool"), "is required: the server is bound to no pool");
  const pools = db.selectFrom("pools").select("pool_id").where("tenant_id", "=", tenantId);
  const found = await pools.where("pool_id", "=", pool).executeTakeFirst();
  if (!found || !(await showsPool(view, pool)))
    throw refused("LG002", argument("pool"), `there is no pool ${pool}${shown(bounds)}`);
  return pool;
}

/** The run that a call is about: the one it names, else the one that the server is bound to. */
export async function runOf(view: View, asked: string | undefined): Promise<string> {
  const { db, tenantId, bounds } = view;
  const run = asked ?? (bounds?.rootRun === bounds?.root ? bounds?.root : undefined);
  if (run === undefined) {
    const why = bounds
      ? `pool ${bounds.root}, which the server is bound to, is no run`
      : "the server is bound to no run";
    throw refused("LG001", argument("run"), `is required: ${why}`);
  }
  const runs = db.selectFrom("runs").select("run_id").where("tenant_id", "=", tenantId);
  const found = await runs.where("run_id", "=", run).executeTakeFirst();
  if (!found || !(await showsPool(view, run)))
    throw refused("LG003", argument("run"), `there is no run ${run}${shown(bounds)}`);
  return run;
}

/** @throws {LedgerError} LG010 where no run of the experiment is shown, LG001 where some are not. */
export async function assertExperiment(view: View, experiment: string): Promise<void> {
  const { db, tenantId, bounds } = view;
  if (bounds === undefined) return;
  const all = db.selectFrom("runs").select("run_id").where("tenant_id", "=", tenantId);
  const runs = await all.where("experiment", "=", experiment).execute();
  const ids = runs.map(({ run_id }) => run_id);
  const { size } = await shownOf(view, bounds, ids);
  const path = argument("experiment");
  if (size === 0) throw refused("LG010", path, `there is no run of experiment ${experiment}${shown(bounds)}`);
  if (size === ids.length) return;
  const rule = `has runs elsewhere, whose cost is not shown: this server is bound to pool ${bounds.root}`;
  throw refused("LG001", path, rule);
}

/** @throws {LedgerError} LG001 where the server is bound: what is told of the tenant as a whole is not shown. */
export function assertUnbound({ bounds }: View, path: string): void {
  if (bounds === undefined) return;
  throw refused("LG001", argument(path), `is of the tenant as a whole: this server is bound to pool ${bounds.root}`);
}

/** @throws {LedgerError} LG001 where the server is bound to a part of a run: what is told of whole runs is not shown. */
export function assertRunsShown({ bounds }: View, path: string): void {
  if (bounds === undefined || bounds.rootRun === null || bounds.listed?.runs.length !== 0) return;
  throw refused(
    "LG001",
    argument(path),
    `is of whole runs: this server is bound to pool ${bounds.root}, a part of one`,
  );
}
