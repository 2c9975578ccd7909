/** Bytes that an event takes: journal and its indexes, and operations apart. Ids are those that the client makes. */
import { audit } from "../books.js";
import type { Bench, Case, Figure, Outcome } from "../case.js";
import { atMost, known, single } from "../figures.js";
import { fill } from "../fill.js";
import type { Database } from "../place.js";

/** pgledger's journal and indexes, measured per transfer. */
const MOST = { journal: 400, operations: 250 };

/** Bytes per row of a table with its indexes; the table's own, and its indexes', too. */
async function bytesOf(
  { superuser }: Database,
  table: string,
): Promise<{ all: number; table: number; indexes: number }> {
  const name = `ledger_private.${table}`;
  const { rows } = await superuser.query<Record<"table" | "indexes" | "rows", string>>(
    `select pg_table_size($1::regclass)::text as table, pg_indexes_size($1::regclass)::text as indexes, count(*)::text as rows from ${name}`,
    [name],
  );
  const each = (bytes: string | undefined): number => Number(bytes) / Number(rows[0]?.rows);
  const [own, indexes] = [each(rows[0]?.table), each(rows[0]?.indexes)];
  return { all: own + indexes, table: own, indexes };
}

/** Both figures of a ledger that holds these events; `bound` where they have a target. */
export async function storedFigures(
  name: string,
  database: Database,
  bound: boolean,
): Promise<{ figures: Figure[]; notes: string[] }> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  for (const table of ["journal", "operations"] as const) {
    const { all, table: own, indexes } = await bytesOf(database, table);
    const target = bound ? atMost(MOST[table]) : null;
    figures.push(known(name, "bytes per event", single(`${table} and its indexes`, all), target));
    notes.push(`${name}: ${table} ${own.toFixed(0)} bytes a row, its indexes ${indexes.toFixed(0)}`);
  }
  return { figures, notes };
}

/** Tenants by what their ids are: a word has the target, a UUID is to be known. */
const TENANTS = [
  { name: "storage", tenant: "acme", bound: true },
  { name: "storage-uuid-tenant", tenant: "00000000-0000-7000-d000-000000000001", bound: false },
];

export const storage: Case = {
  name: "storage",
  about: "bytes per event, with ids as the client makes them, provider, model, request id and tags",
  async run({ place, options }: Bench) {
    const outcomes: Outcome[] = [];
    for (const { name, tenant, bound } of TENANTS) {
      const database = await place.ledger();
      const { wrong } = await fill(database, { tenants: [tenant], events: options.stored });
      await database.superuser.query("vacuum");
      const found = [...wrong, ...(await audit(database, tenant))];
      outcomes.push({ ...(await storedFigures(name, database, bound)), wrong: found });
    }
    return {
      figures: outcomes.flatMap(({ figures }) => figures),
      wrong: outcomes.flatMap(({ wrong }) => wrong),
      notes: outcomes.flatMap(({ notes }) => notes),
    };
  },
};
