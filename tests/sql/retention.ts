/** Retention as tests use it: all that the public views and functions answer, operations grown old, an export's places. */
import type pg from "pg";
import type { Books, Row } from "./books.js";

/** Columns that differ from one moment to the next. */
const OF_THE_MOMENT: ReadonlySet<string> = new Set(["oldest_hold_ms"]);

/** Every public view and every function that reads, of a tenant: all rows, in an order of their own. */
export async function answersOf(books: Books): Promise<Map<string, string[]>> {
  const views = await books.client.query<{ name: string }>(
    "select c.relname as name from pg_class c where c.relnamespace = 'ledger'::regnamespace and c.relkind = 'v' order by 1",
  );
  const questions = new Map(
    views.rows
      .filter(({ name }) => name !== "archives")
      .map(({ name }) => [name, `select v.* from ledger.${name} v where v.tenant_id = $1`]),
  );
  questions.set("equal_k", "select g.* from ledger.equal_k($1, 'e', 0.1) g");
  questions.set("equal_k_by_task", "select g.* from ledger.equal_k_by_task($1, 'e', 0.1) g");
  questions.set("compare_arms", "select g.* from ledger.compare_arms($1, 'e', 'a', 'b') g");
  questions.set("events", "select e.* from ledger.events($1, '{}', 500) e");
  for (const by of ["recorded", "effective"]) {
    questions.set(
      `balances ${by}`,
      `select j.pool_id, j.seq, b.* from ledger.journal j
       cross join lateral ledger.balance_at($1, j.pool_id, j.${by}_at, '${by}') b where j.tenant_id = $1`,
    );
  }
  const answers = new Map<string, string[]>();
  for (const [name, text] of questions) answers.set(name, (await books.rows(text)).map(asText).sort());
  return answers;
}

function asText(row: Row): string {
  return JSON.stringify(Object.entries(row).filter(([column]) => !OF_THE_MOMENT.has(column)));
}

/** The last seq of each pool of a run, as an export has it. */
export async function headsOf(books: Books, run: string): Promise<Record<string, number>> {
  const rows = await books.rows(
    `select p.pool_id, h.seq from ledger.pools p join ledger.pool_heads h using (tenant_id, pool_id)
     where p.tenant_id = $1 and p.run_id = $2`,
    run,
  );
  return Object.fromEntries(rows.map(({ pool_id, seq }) => [String(pool_id), Number(seq)]));
}

/** A digest, as good as any. */
export const DIGEST = `sha256:${"ab".repeat(32)}`;

/** Archives a run as it is. Answers how many places of its journal were archived. */
export async function archive(books: Books, run: string, client: pg.ClientBase = books.client): Promise<number> {
  const heads = JSON.stringify(await headsOf(books, run));
  const { rows } = await client.query("call ledger.archive_run($1, $2, $3, $4)", [books.tenantId, run, heads, DIGEST]);
  return rows[0].p_result.moved;
}

/** Makes the operations of the tenant that are kept so many days older. */
export async function age(books: Books, days: number, where = "true"): Promise<void> {
  await books.client.query(
    `update ledger_private.operations set at = at - make_interval(days => $2) where tenant_id = $1 and ${where}`,
    [books.tenantId, days],
  );
}

/** Rows of a table of this tenant. */
export async function countOf(books: Books, table: string, where = "true"): Promise<number> {
  const { count } = await books.row(
    `select count(*)::int from ledger_private.${table} where tenant_id = $1 and ${where}`,
  );
  return Number(count);
}
