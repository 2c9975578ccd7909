/**
 * One query per kind of object, in the order of dependence. Each takes the schemas' names and
 * answers `definition`, ordered by name so that a snapshot does not depend on the order of making.
 * `target` is everywhere an SQL expression for the object as GRANT and COMMENT name it.
 */

/** Privileges beyond the owner's. Those that Postgres gives by default are spelled out too. */
function grants(target: string, acl: string, kind: string, owner: string): string {
  return `coalesce((
    select string_agg(e'\\ngrant ' || g.privileges || ' on ' || ${target} || ' to ' || g.grantee || ';', '' order by g.grantee)
    from (
      select string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as privileges,
        case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
      from aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) a
      where a.grantee <> ${owner}
      group by a.grantee
    ) g
  ), '')`;
}

function comment(target: string, text: string): string {
  return `coalesce(e'\\ncomment on ' || ${target} || ' is ' || quote_literal(${text}) || ';', '')`;
}

function owner(target: string, role: string): string {
  return `e'\\nalter ' || ${target} || ' owner to ' || ${role}::regrole || ';'`;
}

const SCHEMA = "'schema ' || quote_ident(n.nspname)";
const schemas = `
  select 'create ' || ${SCHEMA} || ' authorization ' || n.nspowner::regrole || ';'
    || ${comment(SCHEMA, "obj_description(n.oid, 'pg_namespace')")}
    || ${grants(SCHEMA, "n.nspacl", "n", "n.nspowner")} as definition
  from pg_namespace n
  where n.nspname = any ($1::text[])
  order by n.nspname`;

const TYPE = "'type ' || t.oid::regtype";
const types = `
  select 'create ' || ${TYPE} || ' as ' || case t.typtype
      when 'e' then 'enum (' || (
        select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid
      ) || ')'
      when 'c' then e'(\\n  ' || (
        select string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), e',\\n  ' order by a.attnum)
        from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      ) || e'\\n)'
      else 'domain over ' || format_type(t.typbasetype, t.typtypmod) || coalesce((
        select string_agg(' ' || pg_get_constraintdef(c.oid), '' order by c.conname) from pg_constraint c where c.contypid = t.oid
      ), '')
    end || ';'
    || ${owner(TYPE, "t.typowner")}
    || ${comment(TYPE, "obj_description(t.oid, 'pg_type')")}
    || ${grants(TYPE, "t.typacl", "T", "t.typowner")} as definition
  from pg_type t
    join pg_namespace n on n.oid = t.typnamespace
    left join pg_class r on r.oid = t.typrelid
  where n.nspname = any ($1::text[]) and (t.typtype in ('e', 'd') or r.relkind = 'c')
  order by n.nspname, t.typname`;

const TABLE = "'table ' || r.oid::regclass";
const tables = `
  select 'create ' || ${TABLE} || e' (\\n  ' || concat_ws(e',\\n  ',
      (
        select string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
          || case when a.attnotnull then ' not null' else '' end
          || coalesce(case a.attgenerated
            when '' then ' default ' || pg_get_expr(d.adbin, d.adrelid)
            else ' generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ')'
          end, ''), e',\\n  ' order by a.attnum)
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      ), (
        -- Which columns are not null is said above; only newer servers list it as constraints.
        select string_agg('constraint ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid), e',\\n  '
          order by c.contype, c.conname)
        from pg_constraint c where c.conrelid = r.oid and c.contype in ('p', 'u', 'c', 'f', 'x')
      )) || e'\\n)' || coalesce(' with (' || array_to_string(r.reloptions, ', ') || ')', '') || ';'
    || coalesce((
      select string_agg(e'\\n' || pg_get_indexdef(i.indexrelid) || ';', '' order by i.indexrelid::regclass::text)
      from pg_index i
      where i.indrelid = r.oid and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = r.oid)
    ), '')
    || coalesce((
      select string_agg(e'\\n' || pg_get_triggerdef(g.oid) || ';', '' order by g.tgname)
      from pg_trigger g where g.tgrelid = r.oid and not g.tgisinternal
    ), '')
    || case when r.relrowsecurity then e'\\nalter ' || ${TABLE} || ' enable row level security;' else '' end
    || case when r.relforcerowsecurity then e'\\nalter ' || ${TABLE} || ' force row level security;' else '' end
    || coalesce((
      select string_agg(e'\\ncreate policy ' || quote_ident(p.policyname) || ' on ' || r.oid::regclass
        || ' as ' || lower(p.permissive) || ' for ' || lower(p.cmd) || ' to ' || array_to_string(p.roles, ', ')
        || coalesce(' using (' || p.qual || ')', '') || coalesce(' with check (' || p.with_check || ')', '') || ';', ''
        order by p.policyname)
      from pg_policies p where p.schemaname = n.nspname and p.tablename = r.relname
    ), '')
    || ${owner(TABLE, "r.relowner")}
    || ${comment(TABLE, "obj_description(r.oid, 'pg_class')")}
    || coalesce((
      select string_agg(${comment("'column ' || r.oid::regclass || '.' || quote_ident(a.attname)", "col_description(r.oid, a.attnum)")}, ''
        order by a.attnum)
      from pg_attribute a where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    ), '')
    || ${grants(TABLE, "r.relacl", "r", "r.relowner")} as definition
  from pg_class r join pg_namespace n on n.oid = r.relnamespace
  where n.nspname = any ($1::text[]) and r.relkind in ('r', 'p')
  order by n.nspname, r.relname`;

const ROUTINE = "case p.prokind when 'p' then 'procedure ' else 'function ' end || p.oid::regprocedure";
const routines = `
  select trim(trailing e'\\n' from pg_get_functiondef(p.oid)) || ';'
    || ${owner(ROUTINE, "p.proowner")}
    || ${comment(ROUTINE, "obj_description(p.oid, 'pg_proc')")}
    || ${grants(ROUTINE, "p.proacl", "f", "p.proowner")} as definition
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname = any ($1::text[]) and p.prokind in ('f', 'p', 'w')
  order by n.nspname, p.proname, p.oid::regprocedure::text`;

const VIEW = "'view ' || r.oid::regclass";
const views = `
  select 'create ' || ${VIEW} || coalesce(' with (' || array_to_string(r.reloptions, ', ') || ')', '')
    || e' as\\n' || pg_get_viewdef(r.oid, true)
    || ${owner(VIEW, "r.relowner")}
    || ${comment(VIEW, "obj_description(r.oid, 'pg_class')")}
    || ${grants("r.oid::regclass", "r.relacl", "r", "r.relowner")} as definition
  from pg_class r join pg_namespace n on n.oid = r.relnamespace
  where n.nspname = any ($1::text[]) and r.relkind in ('v', 'm')
  order by n.nspname, r.relname`;

/** The queries by the title of their part of the snapshot. */
export const SNAPSHOT_QUERIES: Readonly<Record<string, string>> = {
  Schemas: schemas,
  Types: types,
  Tables: tables,
  "Functions and procedures": routines,
  Views: views,
};
