/** What a budget pool is made on: somebody who writes for a tenant. A ledger of its own, or a transaction of the caller's. */
import type { Kysely } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";
import { errorOf } from "./errors.js";
import type { Answer, Operation } from "./protocol.js";

/** How to send a batch. */
export interface ApplyOptions {
  /** All or nothing: the first refusal or error raises LG008. */
  readonly atomic?: boolean;
}

/** Writes for one tenant, and reads its views. */
export interface Writer {
  readonly tenantId: string;
  /** The views of schema `ledger` by their bare names. */
  readonly db: Kysely<LedgerViews>;
  /** Sends a batch; `lane` names the pool of operations that do not name it themselves. */
  send(operations: readonly Operation[], options?: ApplyOptions & { lane?: string }): Promise<Answer[]>;
  /** Keeps the lease of a hold alive from now on; absent where nobody could. */
  readonly leases?: { keep(hold: Hold): void; drop(nodeId: string): void };
}

/** A hold with a lease. */
export interface Hold {
  readonly nodeId: string;
  readonly poolId: string;
  readonly leaseMs: number;
}

/**
 * Sends one operation and answers it, a refusal included.
 * @throws {LedgerError} where the answer is an error.
 */
export async function sendOne(writer: Writer, operation: Operation, lane?: string): Promise<Answer> {
  const [answer] = await writer.send([operation], lane === undefined ? {} : { lane });
  if (!answer) throw new Error(`no answer to ${operation.operation_id}`);
  if (answer.status === "error") throw errorOf(answer, operation.operation_id);
  return answer;
}
