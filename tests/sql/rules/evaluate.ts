/** Rules are functions of values: this calls one. */
import type { TestLedger } from "../ledger.js";

/** The value of an SQL expression over parameters; `l` stands for schema ledger_private. */
export async function computed(ledger: TestLedger, expression: string, ...parameters: unknown[]): Promise<unknown> {
  const text = `select ${expression.replaceAll(/\bl\.(?=\w)/g, "ledger_private.")} as value`;
  return (await ledger.client.query(text, parameters)).rows[0].value;
}
