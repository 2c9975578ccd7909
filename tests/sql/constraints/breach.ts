/** A statement that breaks one rule of a table, and what the server must answer. */

export interface Breach {
  /** What the statement tries, in words. */
  readonly title: string;
  /** The rule by its name in the catalog: a constraint, a unique index or a trigger. */
  readonly rule: string;
  readonly sql: string;
  readonly sqlstate: string;
  /** The constraint the error names, where it is not the rule itself. */
  readonly constraint?: string;
  /** Rules that every row breaking this one breaks as well. */
  readonly alsoBreaks?: readonly string[];
  /** The role that tries it; the superuser otherwise. */
  readonly as?: string;
}

type More = Pick<Breach, "alsoBreaks">;

/** A row that a CHECK refuses. */
export function check(rule: string, title: string, sql: string, more: More = {}): Breach {
  return { rule, title, sql, sqlstate: "23514", ...more };
}

/** A row that refers to nothing. */
export function foreignKey(rule: string, title: string, sql: string, more: More = {}): Breach {
  return { rule, title, sql, sqlstate: "23503", ...more };
}

/** A second row of the same key. */
export function unique(rule: string, title: string, sql: string, more: More = {}): Breach {
  return { rule, title, sql, sqlstate: "23505", ...more };
}

/** Inserts a copy of the row that `where` finds, with some columns changed. */
export function copyOf(table: string, where: string, changes: Readonly<Record<string, unknown>>): string {
  const json = JSON.stringify(changes).replaceAll("'", "''");
  return `insert into ledger_private.${table}
    select (jsonb_populate_record(x, '${json}')).* from ledger_private.${table} x where ${where}`;
}
