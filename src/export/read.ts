/** What an export reads: the views by key, a page at a time, each row as it is written. */
import { type Kysely, sql } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";
import { reading } from "../ledger/snapshot.js";

/** What is exported: a tenant, or one run of it. Values are read by `exportTypes`. */
export interface Scope {
  readonly db: Kysely<LedgerViews>;
  readonly tenantId: string;
  readonly run: string | undefined;
}

/** A row of a view, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** Rows per read. */
export const PAGE = 1_000;

/** A pool with its head: how many events it has. */
export interface Pool {
  readonly pool_id: string;
  readonly seq: number;
  readonly row: Row;
}

/** Everything of a page after another until one is not full. */
async function* pages<T>(read: (after: T | undefined) => Promise<T[]>): AsyncGenerator<T[], void, undefined> {
  let after: T | undefined;
  while (true) {
    const page = await reading(read(after));
    if (page.length > 0) yield page;
    if (page.length < PAGE) return;
    after = page.at(-1);
  }
}

/** The pools in order of their ids. */
export function poolPages({ db, tenantId, run }: Scope): AsyncGenerator<Pool[], void, undefined> {
  return pages<Pool>(async (after) => {
    const rows = await db
      .selectFrom("pools as p")
      .innerJoinLateral(
        (q) =>
          q
            .selectFrom("pool_heads as k")
            .select(["k.seq", "k.open_holds", "k.undelivered"])
            .whereRef("k.tenant_id", "=", "p.tenant_id")
            .whereRef("k.pool_id", "=", "p.pool_id")
            .offset(0)
            .as("h"),
        (join) => join.onTrue(),
      )
      .selectAll("p")
      .select(["h.seq", "h.open_holds", "h.undelivered"])
      .where("p.tenant_id", "=", tenantId)
      .$if(run !== undefined, (q) => q.where("p.run_id", "=", run ?? null))
      .$if(after !== undefined, (q) => q.where("p.pool_id", ">", after?.pool_id ?? ""))
      .orderBy("p.pool_id")
      .limit(PAGE)
      .execute();
    return rows.map(({ tenant_id: _, ...row }) => ({ pool_id: row.pool_id, seq: Number(row.seq), row }));
  });
}

/** The channels of some pools, by pool. */
export async function channelsOf({ db, tenantId }: Scope, pools: readonly Pool[]): Promise<Map<string, Row[]>> {
  const rows = db
    .selectFrom("channels")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .where(
      "pool_id",
      "in",
      pools.map(({ pool_id }) => pool_id),
    )
    .orderBy("pool_id")
    .orderBy(sql`channel collate "C"`)
    .execute();
  return grouped(await reading(rows), ({ pool_id }) => String(pool_id));
}

/** The nodes in order of their ids. Whether a lease has lapsed is no fact of the books but of the moment: left out. */
export function nodePages({ db, tenantId, run }: Scope): AsyncGenerator<Row[], void, undefined> {
  return pages<Row>(async (after) => {
    const rows = await db
      .selectFrom("nodes")
      .selectAll()
      .where("tenant_id", "=", tenantId)
      .$if(run !== undefined, (q) => q.where("run_id", "=", run ?? null))
      .$if(after !== undefined, (q) => q.where("node_id", ">", String(after?.node_id)))
      .orderBy("node_id")
      .limit(PAGE)
      .execute();
    return rows.map(({ tenant_id: _, lapsed: __, ...row }) => row);
  });
}

/** The runs in order of their ids. */
export function runPages({ db, tenantId, run }: Scope): AsyncGenerator<Row[], void, undefined> {
  return pages<Row>(async (after) => {
    const rows = await db
      .selectFrom("runs")
      .selectAll()
      .where("tenant_id", "=", tenantId)
      .$if(run !== undefined, (q) => q.where("run_id", "=", run ?? ""))
      .$if(after !== undefined, (q) => q.where("run_id", ">", String(after?.run_id)))
      .orderBy("run_id")
      .limit(PAGE)
      .execute();
    return rows.map(({ tenant_id: _, ...row }) => row);
  });
}

/** References of blobs in order. */
export function blobPages({ db, tenantId }: Scope): AsyncGenerator<Row[], void, undefined> {
  return pages<Row>((after) =>
    db
      .selectFrom("blobs")
      .select(["blob_id", "bytes", "stored_at"])
      .where("tenant_id", "=", tenantId)
      .$if(after !== undefined, (q) => q.where("blob_id", ">", String(after?.blob_id)))
      .orderBy("blob_id")
      .limit(PAGE)
      .execute(),
  );
}

/** One blob, without its bytes. */
export async function blobOf({ db, tenantId }: Scope, ref: string): Promise<Row | undefined> {
  const blobs = db.selectFrom("blobs").select(["blob_id", "bytes", "stored_at"]);
  return reading(blobs.where("tenant_id", "=", tenantId).where("blob_id", "=", ref).executeTakeFirst());
}

/** A stretch of the journals of some pools, small enough for one read. */
export interface Stretch {
  readonly pools: readonly string[];
  /** Of one pool only: behind this seq, up to that one. */
  readonly within?: { readonly after: number; readonly to: number };
}

/** Cuts journals into stretches: small ones are read together, long ones in parts. */
export function stretchesOf(pools: readonly Pool[]): Stretch[] {
  const stretches: Stretch[] = [];
  let together: string[] = [];
  let rows = 0;
  const flush = (): void => {
    if (together.length > 0) stretches.push({ pools: together });
    [together, rows] = [[], 0];
  };
  for (const { pool_id, seq } of pools) {
    if (rows + seq > PAGE) flush();
    if (seq <= PAGE) {
      together.push(pool_id);
      rows += seq;
      continue;
    }
    for (let after = 0; after < seq; after += PAGE) {
      stretches.push({ pools: [pool_id], within: { after, to: Math.min(after + PAGE, seq) } });
    }
  }
  flush();
  return stretches;
}

/** An event with what it posted and its usage lines. */
export interface Event {
  readonly row: Row;
  readonly postings: readonly Row[];
  readonly lines: readonly Row[];
}

/** The events of a stretch, in order of pool and seq. */
export async function eventsOf(scope: Scope, stretch: Stretch): Promise<Event[]> {
  const rows: Row[] = await reading(inOrder(within(scope, stretch, "journal")).execute());
  const channel = sql`channel collate "C"`;
  const posted: Row[] = await reading(
    inOrder(within(scope, stretch, "postings"))
      .orderBy(channel)
      .execute(),
  );
  const stated = await linesOf(scope, stretch);
  // What lines leave unexplained is a line too; of an event without lines it would be the event again.
  const seqs = [...new Set(stated.map(({ seq }) => String(seq)))];
  const rest = within(scope, stretch, "usage_lines").where(sql.ref("line"), "is", null).where("v.seq", "in", seqs);
  const rests = grouped(seqs.length === 0 ? [] : await reading(rest.execute()), placeOf);
  const postings = grouped(posted, placeOf);
  const lines = grouped(stated, placeOf);
  return rows.map((row) => {
    const place = placeOf(row);
    const own = lines.get(place) ?? [];
    return {
      row: withoutTenant(row),
      postings: postings.get(place) ?? [],
      lines: own.length > 0 ? [...own, ...(rests.get(place) ?? [])] : own,
    };
  });
}

/** The rows of such a view that are in the stretch; all three name places alike. */
function within(
  { db, tenantId }: Scope,
  { pools, within: part }: Stretch,
  view: "journal" | "postings" | "usage_lines",
) {
  const rows = db
    .selectFrom(`${view as "journal"} as v`)
    .selectAll("v")
    .where("v.tenant_id", "=", tenantId);
  if (part === undefined) return rows.where("v.pool_id", "in", [...pools]);
  const after = String(part.after);
  return rows
    .where("v.pool_id", "=", pools[0] ?? "")
    .where("v.seq", ">", after)
    .where("v.seq", "<=", String(part.to));
}

function inOrder<Q extends ReturnType<typeof within>>(rows: Q) {
  return rows.orderBy("v.pool_id").orderBy("v.seq");
}

/**
 * The lines that were stated. Looked up event by event: joined by a range, a database without statistics may read a whole pool for
 * every page of it.
 */
async function linesOf(scope: Scope, stretch: Stretch): Promise<Row[]> {
  const lines = within(scope, stretch, "journal")
    .clearSelect()
    .innerJoinLateral(
      (query) =>
        query
          .selectFrom("usage_lines as u")
          .selectAll()
          .whereRef("u.tenant_id", "=", "v.tenant_id")
          .whereRef("u.pool_id", "=", "v.pool_id")
          .whereRef("u.seq", "=", "v.seq")
          .where("u.line", "is not", null)
          .offset(0)
          .as("l"),
      (join) => join.onTrue(),
    )
    .selectAll("l")
    .orderBy("l.pool_id")
    .orderBy("l.seq")
    .orderBy("l.line");
  return reading(lines.execute());
}

function placeOf({ pool_id, seq }: Row): string {
  return `${seq} ${pool_id}`;
}

function withoutTenant({ tenant_id: _, ...row }: Row): Row {
  return row;
}

function grouped(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}
