/** What went wrong and what a person can do about it, by code: of the ledger, of Postgres, of connections. */
import { Complaint } from "../database/complaint.js";
import { explain } from "../database/explain.js";
import type { Answer, Shortfall } from "../ledger/protocol.js";
import { amount } from "./output.js";

/** Exit codes of every verb. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** The code of a call that makes no sense as it was typed. */
export const USAGE = "usage";

/** A call that makes no sense as it was typed: exit code 2. */
export class UsageError extends Complaint {}

/** An answer that is no `ok`: the verb fails with it. */
export class NotDone extends Error {
  constructor(
    readonly answer: Answer,
    readonly subject: string,
  ) {
    super(`${subject}: ${answer.code ?? answer.status}`);
  }
}

/** A failure in words. */
export interface Failure {
  /** LGnnn, a reason of refusal, a SQLSTATE, `usage`; null where it has none. */
  readonly code: string | null;
  readonly message: string;
  /** What to do; null where the message says it, or nobody knows. */
  readonly hint: string | null;
  /** What the ledger knows besides, as it gave it. */
  readonly detail?: unknown;
}

const CREATE_TENANT = "agent-ledger tenant create <id> makes a tenant";
const SHOW_POOL = "agent-ledger pool show <pool> prints what there is";
const AGAIN = "try again; the same operation id never books twice";
const MIGRATE = "the database has no ledger, or an older one: agent-ledger migrate, as a superuser";

/** By code: what to do. */
const HINTS: Readonly<Record<string, string>> = {
  LG006: "write through ledger.submit, or in a serializable transaction",
  LG009: "an administrator binds the login role: agent-ledger role bind <role> <tenant>; or name another --tenant",
  LG012: CREATE_TENANT,
  LG005: "that operation id was used for something else: choose another --operation-id, or leave it out",
  LG001: "correct what is named, then send it again",
  LG002: "check the id and the tenant; agent-ledger pool open <pool> opens one",
  LG003: "check the id and the tenant; agent-ledger trajectory <run> lists the nodes of a run",
  LG011: "choose another id; agent-ledger pool show <pool> prints the one that exists",
  LG004: "it has ended already; what it spent is changed by a correction",
  LG007: "settle or cancel its children first; agent-ledger expire ends those whose lease has passed",
  LG008: "nothing was booked: correct the operation named, then send the batch again",
  LG010:
    "no run of that experiment counts: agent-ledger runs lists what there is, agent-ledger import arms <file> makes runs",
  "40001": AGAIN,
  "40P01": AGAIN,
  "55P03": AGAIN,
  "42P01": MIGRATE,
  "42703": MIGRATE,
  "42883": MIGRATE,
  "3F000": MIGRATE,
  "42501":
    "the login role may not do that: grant it ledger_writer (ledger_auditor to read only, ledger_admin for tenants and roles)",
  "25006": "the server takes no writes (a standby, or default_transaction_read_only is on): name the primary's URL",
  "42704":
    "the server does not know what is named there: correct the options in the URL; roles of the ledger come from agent-ledger migrate",
  "08006": "the server is gone or cannot be reached: start it, then try again",
  "53300": "the server has no connection left: close some, or raise max_connections",
  "57P01": AGAIN,
  "57P02": AGAIN,
  "57P03": "the server is starting or stopping: try again",
  "57014": AGAIN,
  // Reasons of refusals.
  "key-conflict": "that key stands for other work: choose another",
  "duplicate-key": "the work of that key is not done yet",
  "pool-closed": "a closed pool takes nothing more: open another",
  "pool-frozen": "agent-ledger pool thaw <pool> lets it go on",
  "deadline-passed": "its deadline, or that of a pool above, has passed: open another pool",
  "depth-exceeded": "drivers may not nest deeper below that pool",
  "usd-sealed": "dollars nobody reported closed the channel: correct those events, and it opens",
  "usd-unbudgeted": "that pool caps no dollars: leave usd out",
  "budget-exhausted": `ask for less, or fund the pool that pays; ${SHOW_POOL}`,
  "not-free": `take back at most what is free; ${SHOW_POOL}`,
};

function hintFor(code: string | null): string | null {
  return code !== null && Object.hasOwn(HINTS, code) ? (HINTS[code] ?? null) : null;
}

/** An answer that is no `ok`, in words. */
export function describeAnswer({ answer, subject }: NotDone): Failure {
  const { code, result } = answer;
  const why =
    answer.status === "error" ? [result.path, result.rule].filter(Boolean).join(" ") : shortOf(result.shortfall);
  const verdict = answer.status === "error" ? "failed" : "refused";
  return {
    code,
    message: `${subject}: ${verdict}${why ? `, ${why}` : ""}`,
    hint: hintFor(code),
    detail: answer,
  };
}

function shortOf(shortfall: readonly Shortfall[] = []): string {
  return shortfall.map((s) => `${s.channel}: ${amount(s.requested)} asked, ${amount(s.free)} free`).join("; ");
}

/** Any failure, in words. `database` is the URL and what the person gave it as; none with the embedded server. */
export function describeFailure(error: unknown, database?: { url: string; source: string }): Failure {
  if (error instanceof NotDone) return describeAnswer(error);
  if (error instanceof UsageError) return { code: USAGE, message: error.message, hint: null };
  const code = codeOf(error);
  const message = messageOf(error);
  // Of a lost connection more can be said from what caused it.
  const hint = code === "08006" ? null : hintFor(code);
  if (hint !== null) return { code, message, hint, ...detailOf(error) };
  const sentence = explain(error, database?.url) ?? explainEncryption(error, database);
  if (sentence === undefined) return { code, message, hint: hintFor(code) ?? surprise(code), ...detailOf(error) };
  return { code, message: sentence.replace(/^DATABASE_URL:/, `${database?.source ?? "DATABASE_URL"}:`), hint: null };
}

/** Files that a URL names, read before anything is connected. */
const CERTIFICATES = ["sslrootcert", "sslcert", "sslkey"];

/** What keeps a connection from being encrypted, in a sentence; undefined where it is something else. */
function explainEncryption(error: unknown, database?: { url: string; source: string }): string | undefined {
  const source = database?.source ?? "DATABASE_URL";
  for (let link = error; link instanceof Error; link = link.cause) {
    // The driver's complaint has no code.
    if (link.message === "The server does not support SSL connections")
      return `${source}: the server does not encrypt: say sslmode=disable in the URL, or turn ssl on in the server`;
    const { code, path } = link as NodeJS.ErrnoException;
    const named = code === "ENOENT" && database && URL.canParse(database.url) && new URL(database.url).searchParams;
    const setting = named && CERTIFICATES.find((name) => named.get(name) === path);
    if (setting) return `${source}: there is no file ${path}: correct ${setting}`;
  }
  return undefined;
}

const surprise = (code: string | null): string | null =>
  code === null ? "this is a surprise: AGENT_LEDGER_DEBUG=1 shows where it happened" : null;

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && !error.message) return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** The code of the error, else of what caused it. */
function codeOf(error: unknown): string | null {
  let found: string | null = null;
  for (let link = error; link instanceof Error; link = link.cause) {
    const { code } = link as { code?: unknown };
    if (typeof code === "string") found ??= code;
  }
  return found;
}

function detailOf(error: unknown): { detail?: unknown } {
  const { detail } = error as { detail?: unknown };
  return typeof detail === "object" && detail !== null && Object.keys(detail).length > 0 ? { detail } : {};
}
