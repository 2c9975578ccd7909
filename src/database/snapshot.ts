/** The schema of the ledger as readable, ordered SQL: what a change changed, seen in a diff. */
import type pg from "pg";
import { SNAPSHOT_QUERIES } from "./snapshot-queries.js";

const HEADER = "-- The schema as the migrations make it. Generated; a test compares it with the live catalog.";

/** Schemas that belong to the ledger. */
const SCHEMAS = ["ledger", "ledger_private"];

/**
 * Describes every object of the ledger's schemas: definition, comment, owner and privileges. The
 * text of views and functions is the server's own, so compare snapshots of one major version only.
 */
export async function schemaSnapshot(client: pg.ClientBase | pg.Pool): Promise<string> {
  const parts: string[] = [HEADER];
  for (const [title, text] of Object.entries(SNAPSHOT_QUERIES)) {
    const { rows } = await client.query<{ definition: string }>(text, [SCHEMAS]);
    if (rows.length > 0) parts.push(`-- ${title}`, ...rows.map(({ definition }) => definition.trim()));
  }
  return `${parts.join("\n\n")}\n`;
}
