/** What the catalog says about the rules of the tables of ledger_private. */
import type pg from "pg";

/** A rule that a row can break, and the statement that takes it away. */
export interface Rule {
  readonly name: string;
  readonly removal: string;
}

/** Rules that a CHECK asks a function for are lines of it: `when … then '<name>'`. */
const RULES = `
  select r.name, format(
    'do $do$ begin execute regexp_replace(pg_get_functiondef(%L::regprocedure), %L, %L); end $do$',
    p.oid::regprocedure, 'when (?:(?!\\mwhen\\M).)* then ''' || r.name || '''', 'when false then ''' || r.name || ''''
  ) as removal
  from pg_proc p
  cross join lateral (select m[1] as name from regexp_matches(p.prosrc, 'then ''([a-z0-9_]+)''', 'g') m) r
  where p.pronamespace = 'ledger_private'::regnamespace and p.proname like 'sound\\_%'
  union all
  select c.conname, format('alter table %s drop constraint %I cascade', c.conrelid::regclass, c.conname)
  from pg_constraint c
  where c.connamespace = 'ledger_private'::regnamespace and c.conrelid <> 0 and c.contype in ('p', 'u', 'c', 'f', 'x')
    and not (c.contype = 'c' and pg_get_constraintdef(c.oid) ~ 'ledger_private.sound_')
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
  const rules = new Map<string, Rule>();
  for (const row of rows) {
    const name = row.name.replace("ledger_private.", "");
    const also = rules.get(name);
    rules.set(name, { name, removal: also ? `${also.removal}; ${row.removal}` : row.removal });
  }
  return rules;
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
