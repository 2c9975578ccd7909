/** What an auditor sees: the rows of a question as a small aligned table, the same on every machine and day. */
import type pg from "pg";

/** Values as the server writes them. */
const asText = { getTypeParser: () => (text: string) => text };

const TIMESTAMPTZ = 1184;
const DATE = 1082;

/** Columns that say how long something has lasted. */
const DURATIONS = new Set(["oldest_hold_ms"]);

/** What differs between two runs of the same thing: when it began, and who wrote. */
export interface Circumstances {
  readonly since: Date;
  readonly writer: string;
}

/** Asks one statement and answers its table. */
export async function answerTo(client: pg.Client, statement: string, circumstances: Circumstances): Promise<string> {
  const query: pg.QueryArrayConfig = { text: statement, rowMode: "array", types: asText };
  const { fields, rows } = await client.query<(string | null)[]>(query);
  const cells = rows.map((row) =>
    row.map((value, column) => {
      const { name = "", dataTypeID = 0 } = fields[column] ?? {};
      return value === null ? "" : steady(value, dataTypeID, name, circumstances);
    }),
  );
  const table = aligned([fields.map(({ name }) => name), ...cells]);
  return `${table}(${rows.length} ${rows.length === 1 ? "row" : "rows"})\n`;
}

function steady(value: string, type: number, column: string, { since, writer }: Circumstances): string {
  if (DURATIONS.has(column)) return "(a while)";
  if (column === "recorded_by") return value === writer ? "(the writer)" : value;
  if (type === TIMESTAMPTZ) return instantOf(value) < since ? value : "(of this run)";
  if (type === DATE) return value < since.toISOString().slice(0, 10) ? value : "(today)";
  return value;
}

/** As Postgres writes an instant: `2026-02-11 21:00:00.5+00`. */
function instantOf(text: string): Date {
  return new Date(text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"));
}

/** Columns below each other, without blanks at the ends of lines. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[], separator: string): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(separator)
      .trimEnd();
  const [head = [], ...body] = rows.map((row) => line(row, " | "));
  const rule = widths.map((width) => "-".repeat(width)).join("-+-");
  return [head, rule, ...body].map((text) => `${text}\n`).join("");
}
