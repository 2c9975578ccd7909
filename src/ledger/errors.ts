/** Errors of the ledger, by code. Texts are for people; programs look at `code`, `retryable` and `detail`. */
import { Complaint } from "../database/complaint.js";
import type { Answer } from "./protocol.js";

/** Names of the ledger's own codes, in the order in which the database checks them. */
export const ERROR_NAMES: Readonly<Record<string, string>> = {
  LG006: "not_serializable",
  LG009: "tenant_forbidden",
  LG012: "unknown_tenant",
  LG005: "operation_conflict",
  LG001: "invalid_operation",
  LG002: "unknown_pool",
  LG003: "unknown_node",
  LG011: "already_exists",
  LG004: "already_settled",
  LG007: "open_holds",
  LG008: "batch_rejected",
  LG010: "empty_experiment",
};

/** What may go through when it is done again, whole. */
const TRANSIENT: Readonly<Record<string, string>> = {
  "40001": "serialization_failure",
  "40P01": "deadlock_detected",
  "55P03": "lock_not_available",
};

/** The server went away, is not there yet, or has no room: another connection may find it. Class 08 belongs here too. */
const CONNECTION: Readonly<Record<string, string>> = {
  "53300": "too_many_connections",
  "57P01": "admin_shutdown",
  "57P02": "crash_shutdown",
  "57P03": "cannot_connect_now",
};

/** SQLSTATE connection_failure: what stands for errors of the connection, which have no code of the server's. */
const CONNECTION_FAILURE = "08006";

/** SQLSTATE sqlclient_unable_to_establish_sqlconnection: there is no server to be had, and the message says why. */
const NO_CONNECTION = "08001";

/** SQLSTATE transaction_resolution_unknown: the answer to a COMMIT was lost, or was not waited for. */
export const RESOLUTION_UNKNOWN = "08007";

/** SQLSTATE query_canceled: operations were taken back before they were sent. */
const CANCELLED = "57014";

/** An error of the ledger or of the way to it. */
export class LedgerError extends Error {
  /** SQLSTATE: LGnnn, or Postgres's own. */
  readonly code: string;
  /** The code's name, such as `operation_conflict`. */
  override readonly name: string;
  /** Whether the same call may succeed later. Writes are safe to repeat with the same operation ids. */
  readonly retryable: boolean;
  /** What is known besides: `path` and `rule` of bad input, and the like. */
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { name?: string; retryable?: boolean; detail?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    const name = options.name ?? ERROR_NAMES[code] ?? TRANSIENT[code] ?? CONNECTION[code] ?? "database_error";
    // The server's message begins with the name, which an Error puts before its message anyway.
    const text = message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message;
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.name = name;
    this.retryable = options.retryable ?? false;
    this.detail = options.detail ?? {};
  }
}

/** An error that the server sent. Known by its form, because the application may bring a pool of its own copy of `pg`. */
interface ServerError extends Error {
  readonly code: string;
  readonly severity: string;
  readonly detail?: string;
  readonly hint?: string;
}

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && "severity" in error && "code" in error && typeof error.code === "string";
}

/** The SQLSTATE of an error; undefined for one that the server did not send. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof LedgerError || isServerError(error) ? error.code : undefined;
}

/** How an error is to be taken: `conflict` and `connection` may be repeated, `final` may not. */
export type Kind = "conflict" | "connection" | "final";

/**
 * Tells errors met in a query apart. What has no SQLSTATE was not said by the server: the connection failed, unless it says
 * itself what to do about it, or is a mistake in a program.
 */
export function kindOf(error: unknown): Kind {
  const code = sqlState(error);
  if (code === undefined) return isOurs(error) ? "final" : "connection";
  if (Object.hasOwn(TRANSIENT, code)) return "conflict";
  return code.startsWith("08") || Object.hasOwn(CONNECTION, code) ? "connection" : "final";
}

function isOurs(error: unknown): boolean {
  return error instanceof Complaint || error instanceof TypeError;
}

/** Whether a connection that met this error can be used again: the server said it, holds no lock of ours, and goes on. */
export function isClean(error: unknown): boolean {
  return isServerError(error) && /^(?:LG|22|23|40|42|55)/.test(error.code);
}

/** What to do, where the server does not say it, or in the words of SQL only. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  "42501": "ledger_writer writes, ledger_auditor only reads",
  LG012: "or agent-ledger tenant create",
};

/** The ledger's error for whatever a query threw, which becomes its `cause`. A program's mistake stays what it is. */
export function ledgerError(error: unknown): Error {
  if (error instanceof LedgerError || error instanceof TypeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (isServerError(error)) {
    const retryable = kindOf(error) !== "final";
    const hints = [error.hint, Object.hasOwn(WAYS_OUT, error.code) && WAYS_OUT[error.code]].filter(Boolean).join(", ");
    const hint = hints && ` (${hints})`;
    return new LedgerError(error.code, message + hint, { retryable, detail: parseDetail(error.detail), cause: error });
  }
  if (error instanceof Complaint)
    return new LedgerError(NO_CONNECTION, message, { name: "no_connection", cause: error });
  return new LedgerError(CONNECTION_FAILURE, `the connection to the database failed: ${message}`, {
    name: "connection_failure",
    retryable: true,
    cause: error,
  });
}

/**
 * The error with the ids of the operations it leaves open: whoever asks again under the same ids books nothing twice, also where
 * the first call was carried out unheard.
 */
export function withOperations(error: unknown, operationIds: readonly string[]): unknown {
  if (!(error instanceof LedgerError) || !error.retryable || "operation_ids" in error.detail) return error;
  const { code, name, message, detail, cause } = error;
  return new LedgerError(code, message, {
    name,
    retryable: true,
    detail: { ...detail, operation_ids: operationIds },
    cause,
  });
}

/** Why answers are not waited for any longer. */
export interface GivenUp {
  readonly why: string;
  /** Whether another wait may be longer. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/**
 * The error of whoever stops waiting for answers. Where nothing was sent, nothing is booked, nor will be: 57014, `cancelled`. What was
 * sent is carried out all the same, unheard: 08007, and asking again under the same ids books nothing twice and hears what became of it.
 */
export function unanswered(
  isSent: boolean,
  { why, retryable, cause }: GivenUp,
  operationIds?: readonly string[],
): LedgerError {
  const detail = { sent: isSent, ...(operationIds && { operation_ids: operationIds }) };
  if (!isSent) {
    return new LedgerError(CANCELLED, `${why}: nothing was sent`, { name: "cancelled", retryable, detail, cause });
  }
  const todo = "what was sent goes on, and what becomes of it is not known: ask again with the same operation ids";
  return new LedgerError(RESOLUTION_UNKNOWN, `${why}: ${todo}`, {
    name: "transaction_resolution_unknown",
    retryable: true,
    detail,
    cause,
  });
}

/** What asking again is done under. */
export function idsOf(operations: readonly { readonly operation_id: string }[]): string[] {
  return operations.map(({ operation_id }) => operation_id);
}

/** The error of an answer whose status is `error`. */
export function errorOf(answer: Answer, operationId: string): LedgerError {
  const { path, rule } = answer.result;
  const about = [path, rule].filter((part) => part !== undefined && part !== "").join(" ");
  const code = answer.code ?? "LG001";
  return new LedgerError(code, `${about} (operation ${operationId})`, {
    detail: { ...answer.result, operation_id: operationId },
  });
}

function parseDetail(detail: string | undefined): Record<string, unknown> {
  if (!detail) return {};
  try {
    const parsed: unknown = JSON.parse(detail);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // Postgres's own details are prose.
  }
  return { detail };
}
