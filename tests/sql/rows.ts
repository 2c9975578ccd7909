/** What is in the tables, to compare books that were kept in different ways. */
import type { Books, Row } from "./books.js";

const TABLES: Readonly<Record<string, string>> = {
  pools: "pool_id",
  pool_heads: "pool_id",
  channels: "pool_id, channel",
  nodes: "node_id",
  runs: "run_id",
  journal: "pool_id, seq",
  usage_lines: "pool_id, seq, line",
  operations: "operation_id",
};

/**
 * Every row of the tenant's books; of an instant only whether it is there, unless it was given. Whether an answer is kept or found again in
 * the journal is a matter of the path it came by.
 */
export async function rowsOf(books: Books): Promise<Record<string, Row[]>> {
  const tables: Record<string, Row[]> = {};
  for (const [table, key] of Object.entries(TABLES)) {
    const rows = await books.rows(`select * from ledger_private.${table} where tenant_id = $1 order by ${key}`);
    tables[table] = rows.map(({ tenant_id: _tenant, result: _result, ...row }) => {
      const columns = Object.entries(row).map(([column, value]) => {
        const isGiven = column === "effective_at" && (value as Date).getUTCFullYear() < 2025;
        return [column, value instanceof Date && !isGiven ? "an instant" : value];
      });
      return Object.fromEntries(columns);
    });
  }
  return tables;
}
