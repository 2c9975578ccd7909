/** What the catalog says about the rules of the tables of ledger_private. */
import type pg from "pg";

/** A rule that a row can break, and the statement that takes it away. */
export interface Rule {
  readonly name: string;
  readonly removal: string;
}

const RULES = `
  select c.conname as name, format('alter table %s drop constraint %I cascade', c.conrelid::regclass, c.conname) as removal
  from pg_constraint c
  where c.connamespace = 'ledger_private'::regnamespace and c.conrelid <> 0 and c.contype in ('p', 'u', 'c', 'f', 'x')
  union all
  select i.indexrelid::regclass::text, format('drop index %s', i.indexrelid::regclass)
  from pg_index i
  join pg_class r on r.oid = i.indrelid and r.relnamespace = 'ledger_private'::regnamespace
  where i.indisunique and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
  union all
  select t.tgname, format('alter table %s disable trigger %I', t.tgrelid::regclass, t.tgname)
  from pg_trigger t
  join pg_class r on r.oid = t.tgrelid and r.relnamespace = 'ledger_private'::regnamespace
  where not t.tgisinternal
  order by 1`;

/** Every CHECK, key, unique index and trigger, by name. */
export async function rulesOf(client: pg.ClientBase): Promise<Map<string, Rule>> {
  const { rows } = await client.query<Rule>(RULES);
  const named = rows.map(({ name, removal }) => ({ name: name.replace("ledger_private.", ""), removal }));
  return new Map(named.map((rule) => [rule.name, rule]));
}

/** A column of a table. */
export interface Column {
  readonly table: string;
  readonly column: string;
  readonly key: boolean;
}

/** The columns that a condition on pg_attribute `a` picks. */
export async function columnsWhere(client: pg.ClientBase, condition: string): Promise<Column[]> {
  const { rows } = await client.query<Column>(`
    select r.relname as table, a.attname as column, exists (
      select from pg_index i where i.indrelid = r.oid and i.indisprimary and a.attnum = any (i.indkey)
    ) as key
    from pg_attribute a
    join pg_class r on r.oid = a.attrelid and r.relkind = 'r' and r.relnamespace = 'ledger_private'::regnamespace
    where a.attnum > 0 and not a.attisdropped and ${condition}
    order by r.relname, a.attnum`);
  return rows;
}
