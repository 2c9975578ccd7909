/** What a budget pool is made on: somebody who writes for a tenant. A ledger of its own, or a transaction of the caller's. */
import type { Kysely } from "kysely";
import type { LedgerViews } from "../database/schema.generated.js";
import type { Queryable } from "./call.js";
import { errorOf, LedgerError } from "./errors.js";
import type { Answer, Operation } from "./protocol.js";
import type { WaitOptions } from "./waiting.js";

/** How to send a batch, and how long to wait for its answers. */
export interface ApplyOptions extends WaitOptions {
  /** All or nothing: the first refusal or error raises LG008. */
  readonly atomic?: boolean | undefined;
}

/** The same for operations that do not name their pool themselves. */
export interface SendOptions extends ApplyOptions {
  readonly lane?: string | undefined;
}

/** Writes for one tenant, and reads its views. */
export interface Writer {
  readonly tenantId: string;
  /** The views of schema `ledger` by their bare names. */
  readonly db: Kysely<LedgerViews>;
  send(operations: readonly Operation[], options?: SendOptions): Promise<Answer[]>;
  /** Runs a read of `db`, again where that can help; its errors are the ledger's. */
  read<T>(read: () => Promise<T>): Promise<T>;
  /** Runs a call that reads, on a connection, again where that can help; its errors are the ledger's. */
  ask<T>(ask: (client: Queryable) => Promise<T>): Promise<T>;
  /** Keeps the lease of a hold alive from now on; absent where nobody could. */
  readonly leases?: { keep(hold: Hold): void; drop(nodeId: string): void; leave(poolId: string): void };
}

/** A hold with a lease. */
export interface Hold {
  readonly nodeId: string;
  readonly poolId: string;
  readonly leaseMs: number;
}

/**
 * Sends one operation that can only be done or be wrong.
 * @throws {LedgerError} where the answer is an error; the refusal's code where it is refused all the same.
 */
export async function sendDone(writer: Writer, operation: Operation, options: SendOptions = {}): Promise<Answer> {
  const answer = await sendOne(writer, operation, options);
  const { code, result } = answer;
  if (code === null) return answer;
  const { operation_id } = operation;
  throw new LedgerError(code, `${operation.op} was refused (operation ${operation_id})`, {
    name: "refused",
    detail: { ...result, operation_id },
  });
}

/**
 * Sends one operation and answers it, a refusal included.
 * @throws {LedgerError} where the answer is an error.
 */
export async function sendOne(writer: Writer, operation: Operation, options: SendOptions = {}): Promise<Answer> {
  const [answer] = await writer.send([operation], options);
  if (!answer) throw new Error(`no answer to ${operation.operation_id}`);
  if (answer.status === "error") throw errorOf(answer, operation.operation_id);
  return answer;
}
