/** Which tables of the ledger a piece of work reads from end to end. */
import type pg from "pg";
import { everyKind } from "./every-kind.js";

/** A node of a plan as auto_explain prints it. */
interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly Plan[];
}

/**
 * Sequential scans of the ledger's tables while `work` ran on that connection (of a superuser, and the only one at work in its
 * database), by the server's own count, and the statements that made them where auto_explain can be loaded. Empty = none.
 */
export async function sequentialScans(client: pg.ClientBase, work: () => Promise<void>): Promise<string[]> {
  const statements = new Set<string>();
  const before = await counts(client);
  const listen = ({ message }: { message?: string | undefined }): void => {
    for (const { table, text } of scansIn(message ?? ""))
      if (before.has(table)) statements.add(`${table}, in: ${text}`);
  };
  client.on("notice", listen);
  await explaining(client);
  try {
    await work();
  } finally {
    client.off("notice", listen);
    await client.query("reset client_min_messages");
  }
  const scanned = [...(await counts(client))]
    .map(([table, scans]) => ({ table, scans: scans - (before.get(table) ?? 0) }))
    .filter(({ scans }) => scans > 0)
    .map(({ table, scans }) => `${table}: ${scans}`);
  return [...scanned, ...statements];
}

/** Every kind of write in that tenant, through `ledger.submit`. Each must be answered as it should. */
export async function writeEveryKind(client: pg.ClientBase, tenant: string, name: string): Promise<void> {
  for (const { operations, status } of everyKind(name)) {
    const call = "call ledger.submit($1, $2::jsonb, false, null)";
    const { rows } = await client.query(call, [tenant, JSON.stringify(operations)]);
    const answers: { position: number; status: string }[] = rows[0].p_results;
    const bad = answers.find((answer) => answer.status !== status);
    if (bad) throw new Error(`${JSON.stringify(operations[bad.position])}: ${JSON.stringify(bad)}, not ${status}`);
  }
}

/** Asks the server to send the plan of everything it runs, where it can. */
async function explaining(client: pg.ClientBase): Promise<void> {
  try {
    await client.query("load 'auto_explain'");
  } catch {
    return; // The count sees every scan; only its statement is not shown.
  }
  await client.query(`set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
    set auto_explain.log_format = json; set auto_explain.log_level = log; set client_min_messages = log`);
}

function scansIn(message: string): { table: string; text: string }[] {
  const [, json] = /plan:\n(\{[\s\S]*\})$/.exec(message) ?? [];
  if (json === undefined) return [];
  const { "Query Text": text, Plan: plan } = JSON.parse(json) as { "Query Text": string; Plan: Plan };
  const tables = (node: Plan): string[] => [
    ...(node["Node Type"] === "Seq Scan" ? [node["Relation Name"] ?? ""] : []),
    ...(node.Plans ?? []).flatMap(tables),
  ];
  return tables(plan).map((table) => ({ table, text: text.replaceAll(/\s+/g, " ").slice(0, 160) }));
}

/** Sequential scans of each table so far. */
async function counts(client: pg.ClientBase): Promise<Map<string, number>> {
  await client.query("select pg_stat_force_next_flush()");
  const text =
    "select relname, seq_scan::integer as scans from pg_stat_user_tables where schemaname = 'ledger_private'";
  const { rows } = await client.query<{ relname: string; scans: number }>(text);
  return new Map(rows.map(({ relname, scans }) => [relname, scans]));
}
