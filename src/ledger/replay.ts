/**
 * Replay: how a run's work came back, in the order in which it was delivered, with what it made. Read page by page from one snapshot,
 * so that a live run does not move meanwhile and a large one is never held in memory.
 */
import { type Kysely, type RawBuilder, type Selectable, sql } from "kysely";
import type { LedgerViews, SettlementsRow } from "../database/schema.generated.js";
import { bodyOf, checked, smallBodies } from "./artifacts.js";
import { LedgerError } from "./errors.js";
import { reading } from "./snapshot.js";

/** A child that ended, and its artifact. */
export type Settlement = Selectable<SettlementsRow> & {
  /** The artifact's bytes; undefined where the child left none. */
  readonly body: Buffer | undefined;
  /** The artifact's value, where the bytes are JSON. */
  readonly artifact: unknown;
};

/** Settlements per read: each read goes over the whole run. */
const PAGE = 2_500;

/** Artifacts that are looked for at once. */
const AT_ONCE = 100;

/** The place of a settlement in the order of delivery: instant (as the database writes it), pool, number in the pool. */
type Place = readonly [at: string, poolId: string, number: string];

type Placed = Selectable<SettlementsRow> & { readonly place: string };

/** Delivered ones by the time of their delivery, then those that wait, by the time of their end. */
const ORDERS = [
  { delivered: true, at: "delivered_at", number: "cursor" },
  { delivered: false, at: "recorded_at", number: "seq" },
] as const;

/**
 * Yields the settlements of a run.
 * @throws {LedgerError} LG003 where there is no such run.
 * @throws {ArtifactError} at a settlement whose artifact is not what it was; those before it have been given.
 */
export async function* replay(
  db: Kysely<LedgerViews>,
  tenantId: string,
  runId: string,
): AsyncGenerator<Settlement, void, undefined> {
  const runs = db.selectFrom("runs").select("run_id").where("tenant_id", "=", tenantId).where("run_id", "=", runId);
  if (!(await reading(runs.executeTakeFirst()))) {
    throw new LedgerError("LG003", `there is no run ${runId}`, { detail: { path: "runId", rule: "is no run" } });
  }
  for (const order of ORDERS) {
    let after: Place | undefined;
    while (true) {
      const rows = await reading(pageOf(db, tenantId, runId, order, after));
      for (let from = 0; from < rows.length; from += AT_ONCE) {
        yield* withArtifacts(db, tenantId, rows.slice(from, from + AT_ONCE));
      }
      const last = rows.at(-1);
      if (rows.length < PAGE || last === undefined) break;
      after = [last.place, last.pool_id, last[order.number] ?? ""];
    }
  }
}

async function* withArtifacts(
  db: Kysely<LedgerViews>,
  tenantId: string,
  rows: readonly Placed[],
): AsyncGenerator<Settlement, void, undefined> {
  const refs = rows.map(({ out_ref }) => out_ref).filter((ref) => ref !== null);
  const bodies = await reading(smallBodies(db, tenantId, refs));
  for (const { place: _, ...row } of rows) {
    const { out_ref, node_id } = row;
    if (out_ref === null) {
      yield { ...row, body: undefined, artifact: undefined };
      continue;
    }
    const body = bodies.get(out_ref) ?? (await reading(bodyOf(db, tenantId, out_ref)));
    const { artifact } = checked(out_ref, body, node_id);
    yield { ...row, body, artifact };
  }
}

function pageOf(
  db: Kysely<LedgerViews>,
  tenantId: string,
  runId: string,
  { delivered, at, number }: (typeof ORDERS)[number],
  after: Place | undefined,
): Promise<Placed[]> {
  // Instants have more digits than a Date: the place is kept as the database writes it.
  const instant = sql.ref<Date>(at);
  const pool: RawBuilder<string> = sql`pool_id collate "C"`;
  return db
    .selectFrom("settlements")
    .selectAll()
    .select(sql<string>`${instant}::text`.as("place"))
    .where("tenant_id", "=", tenantId)
    .where("run_id", "=", runId)
    .where("cursor", delivered ? "is not" : "is", null)
    .$if(after !== undefined, (query) => {
      const [time, poolId, place] = after ?? ["", "", ""];
      const here = sql`(${instant}, ${pool}, ${sql.ref(number)})`;
      return query.where(sql<boolean>`${here} > (${time}::timestamptz, ${poolId}::text, ${place}::bigint)`);
    })
    .orderBy(instant)
    .orderBy(pool)
    .orderBy(number)
    .limit(PAGE)
    .execute();
}
