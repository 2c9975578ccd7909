/** Sending one operation, and what to do with its answer. */
import { newId } from "../ledger/ids.js";
import type { Ledger } from "../ledger/ledger.js";
import type { Answer } from "../ledger/protocol.js";
import { NotDone } from "./errors.js";

/** An id for an operation that nobody gave one. */
export function newOperationId(op: string): string {
  return `cli:${op}:${newId()}`;
}

/**
 * Sends an operation and answers what the ledger answered.
 * @throws {NotDone} where that is a refusal or an error, also one given before to the same operation id.
 */
export async function send(
  ledger: Ledger,
  subject: string,
  operation: { readonly op: string; readonly operation_id?: string | undefined } & Readonly<Record<string, unknown>>,
): Promise<Answer> {
  const operationId = operation.operation_id ?? newOperationId(operation.op);
  const [answer] = await ledger.apply([{ ...operation, operation_id: operationId }]);
  if (!answer) throw new Error(`no answer to ${operationId}`);
  if (answer.status === "error" || answer.code !== null) throw new NotDone(answer, subject);
  return answer;
}
