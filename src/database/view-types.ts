/**
 * The views of schema `ledger` as TypeScript, from the live catalog: `schema.generated.ts`, which `npm run db:snapshot` writes.
 *
 * A column may be null exactly where its comment begins with `null`. A text column is a union where a CHECK of the table it comes
 * from lists its values.
 */
import type pg from "pg";

const HEADER = `/**
 * What the views of schema \`ledger\` answer, over connections whose 64-bit integers, numerics and dates stay text.
 *
 * Generated from the database by \`npm run db:snapshot\` (view-types.ts); a test fails when it is stale.
 */
`;

/** Types of the catalog, as the client's connections hand them over. */
const TYPES: Readonly<Record<string, string>> = {
  text: "string",
  int8: "string",
  numeric: "string",
  date: "string",
  int4: "number",
  bool: "boolean",
  bytea: "Buffer",
  timestamptz: "Date",
  jsonb: "unknown",
  _text: "string[]",
};

/** Lines longer than this are broken as the formatter breaks them. */
const WIDTH = 120;

/** A column of a view: where it comes from a column of the same name, the rules about that one alone. */
interface Column {
  readonly view: string;
  readonly view_comment: string;
  readonly column: string;
  readonly type: string;
  readonly comment: string | null;
  readonly checks: readonly string[];
}

const COLUMNS = `
  with recursive sources as (
    select v.oid as view, v.oid as relation from pg_class v where v.relnamespace = 'ledger'::regnamespace and v.relkind = 'v'
    union
    select s.view, d.refobjid
    from sources s
    join pg_rewrite w on w.ev_class = s.relation
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
  )
  select
    v.relname as view, coalesce(obj_description(v.oid, 'pg_class'), '') as view_comment, a.attname as column, t.typname as type,
    col_description(v.oid, a.attnum) as comment,
    array(
      select distinct r.rule
      from sources s
      join pg_attribute b on b.attrelid = s.relation and b.attname = a.attname
      join pg_constraint c on c.conrelid = s.relation and c.contype = 'c'
      cross join lateral (
        select pg_get_constraintdef(c.oid) where c.conkey = array[b.attnum]
        union all -- of a rule of its own in the function that a CHECK calls with the row
        select m[1]
        from pg_depend d
        join pg_proc p on p.oid = d.refobjid
        cross join lateral regexp_matches(p.prosrc, 'when p_row[.]' || a.attname || ' not in ([(][^)]*[)]) then') m
        where d.classid = 'pg_constraint'::regclass and d.objid = c.oid and d.refclassid = 'pg_proc'::regclass
      ) r (rule)
      where s.view = v.oid
      order by 1
    ) as checks
  from pg_class v
  join pg_attribute a on a.attrelid = v.oid and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
  where v.relnamespace = 'ledger'::regnamespace and v.relkind = 'v'
  order by v.relname collate "C", a.attnum`;

/** The text of `schema.generated.ts` for the database of this connection. */
export async function viewTypes(client: pg.ClientBase | pg.Pool): Promise<string> {
  const { rows } = await client.query<Column>(COLUMNS);
  const views = [...new Set(rows.map(({ view }) => view))];
  const interfaces = views.map((view) => rowOf(rows.filter((column) => column.view === view)));
  const listed = views.map((view) => `  readonly ${view}: ${nameOf(view)};\n`).join("");
  const all = `/** Every view by its name. */\nexport interface LedgerViews {\n${listed}}\n`;
  return [HEADER, ...interfaces, all].join("\n");
}

/** `pool_heads` -> `PoolHeadsRow`. */
function nameOf(view: string): string {
  const words = view.split("_").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1));
  return `${words.join("")}Row`;
}

function rowOf(columns: readonly Column[]): string {
  const { view = "", view_comment = "" } = columns[0] ?? {};
  return `/** ${view_comment} */\nexport interface ${nameOf(view)} {\n${columns.map(propertyOf).join("")}}\n`;
}

function propertyOf(column: Column): string {
  const nullable = column.comment?.startsWith("null") === true;
  const plain = typeOf(column);
  const types = nullable && !plain.includes("unknown") ? [...plain, "null"] : plain;
  const comment = column.comment === null ? "" : `  /** ${column.comment} */\n`;
  const line = `  readonly ${column.column}: ${types.join(" | ")};\n`;
  if (line.length <= WIDTH + 1) return comment + line;
  return `${comment}  readonly ${column.column}:\n${types.map((type) => `    | ${type}`).join("\n")};\n`;
}

/** The alternatives of a column's type. */
function typeOf({ view, column, type, checks }: Column): string[] {
  const closed = checks.map(listedIn).filter((values) => values !== undefined);
  if (type === "text" && closed.length === 1) return (closed[0] ?? []).map((value) => `"${value}"`);
  const typescript = TYPES[type];
  if (typescript === undefined)
    throw new Error(`ledger.${view}.${column} is of type ${type}, which view-types.ts does not know`);
  return [typescript];
}

/** The values a rule lets through, where it lists them: `= any (array['a', 'b'])`, `~ '^(a|b)$'`, or `('a', 'b')` in a function. */
function listedIn(rule: string): string[] | undefined {
  const alternatives = /~ '\^\(([\w|-]+)\)\$'::text\)/.exec(rule)?.[1];
  if (alternatives !== undefined) return alternatives.split("|");
  if (!/= ANY \(ARRAY\[[^\]]*\]\)|^\(\s*'/.test(rule)) return undefined;
  return [...rule.matchAll(/'([\w-]+)'/g)].map(([, value = ""]) => value);
}
