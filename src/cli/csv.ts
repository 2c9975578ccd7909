/** Comma-separated values as RFC 4180 has them: lines end in CRLF; a field with a comma, a quote or a line break is quoted, a quote doubled. */

/** A head and its rows as text; null is an empty field. */
export function csv(head: readonly string[], rows: readonly (readonly (string | null)[])[]): string {
  return [head, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

function field(value: string | null): string {
  if (value === null) return "";
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
