/** Operations as these tests need them, and how they are put to the ledger. */
import { randomUUID } from "node:crypto";
import type { ClientBase } from "pg";

/** One operation in the JSON of `ledger.apply`. */
export type Operation = Readonly<Record<string, unknown>>;

/** One answer of `ledger.apply`. */
export interface Answer {
  readonly position: number;
  readonly status: "ok" | "refused" | "error" | "replayed";
  readonly code: string | null;
  readonly result: Readonly<Record<string, unknown>>;
}

/** The two ways into the ledger that take a batch. */
export type EntryPoint = "submit" | "apply";

/** Gives an operation an id, unless it has one. */
export function withId(operation: Operation): Operation {
  return { operation_id: randomUUID(), ...operation };
}

/** What a leaf or a driver consumed: whole tokens, and dollars that are known. */
export function spendOf(tokens: number, usd = "0", iterations = 0): Operation {
  return { iterations, input_tokens: tokens, output_tokens: 0, usd };
}

/** Runs `call ledger.submit(…)`, which is a transaction of its own. */
export async function submit(
  client: ClientBase,
  tenantId: string,
  operations: readonly Operation[],
): Promise<Answer[]> {
  const { rows } = await client.query<{ p_results: Answer[] }>("call ledger.submit($1, $2, false, null)", [
    tenantId,
    JSON.stringify(operations),
  ]);
  return rows[0]?.p_results ?? [];
}

/** Runs `select … from ledger.apply(…)`: in the transaction that is open, else in one of its own. */
export async function apply(client: ClientBase, tenantId: string, operations: readonly Operation[]): Promise<Answer[]> {
  const { rows } = await client.query<Answer>(
    "select position, status, code, result from ledger.apply($1, $2) order by position",
    [tenantId, JSON.stringify(operations)],
  );
  return rows;
}

/** The SQLSTATE of an error that Postgres sent; undefined for any other. */
export function sqlState(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
