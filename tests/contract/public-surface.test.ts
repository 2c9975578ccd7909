/** The public API of schema ledger, as a file to read; changing it is a decision. `vitest -u` writes it anew. */
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";

const FUNCTIONS = `
  select case p.prokind when 'p' then 'procedure ' else 'function ' end || p.oid::regproc || '(' ||
    coalesce(e'\\n  ' || replace(nullif(pg_get_function_arguments(p.oid), ''), ', ', e',\\n  ') || e'\\n', '') || ')' ||
    coalesce(e'\\nreturns ' || replace(replace(pg_get_function_result(p.oid), 'TABLE(', e'TABLE (\\n  '), ', ', e',\\n  '), '') as text
  from pg_proc p
  where p.pronamespace = 'ledger'::regnamespace
  order by p.proname, p.oid::regprocedure::text collate "C"`;

const VIEWS = `
  select 'view ' || r.oid::regclass || e'\\n  ' || (
    select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), e'\\n  ' order by a.attnum)
    from pg_attribute a where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  ) as text
  from pg_class r
  where r.relnamespace = 'ledger'::regnamespace and r.relkind in ('r', 'v', 'm')
  order by r.relname`;

const OTHERS = `
  select r.relname as name from pg_class r
  where r.relnamespace = 'ledger'::regnamespace and r.relkind not in ('v')
  union all
  select t.typname from pg_type t left join pg_class r on r.oid = t.typrelid
  where t.typnamespace = 'ledger'::regnamespace and t.typtype <> 'b' and coalesce(r.relkind, 'c') = 'c'`;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database?.drop();
});

async function texts(query: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ text: string }>(query);
  return rows.map(({ text }) => text);
}

it("is as it was", async () => {
  const surface = [...(await texts(FUNCTIONS)), ...(await texts(VIEWS))].join("\n\n");
  await expect(`${surface}\n`).toMatchFileSnapshot("./public-surface.txt");
});

it("is functions and views, nothing else", async () => {
  const { rows }: pg.QueryResult = await database.pool.query(OTHERS);
  expect(rows).toEqual([]);
});
