/** Failures as MCP tool errors: which code, which argument, which rule, and what to do. Nothing that a tool meets ends the server. */
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { LedgerError, ledgerError } from "../ledger/errors.js";

const BIND = "An administrator binds the login role of the server: agent-ledger role bind <role> <tenant>";
const MIGRATE = "The database has no ledger, or an older one: somebody runs agent-ledger migrate";

/** By code: what to do. */
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  LG001: "Correct the argument that is named and call again",
  LG002: "Check the id: question balances lists the pools there are",
  LG003: "Check the id: question runs lists the runs there are",
  LG009: BIND,
  LG010: "Check the name: no run of that experiment counts",
  LG012: "The tenant was never made: check --tenant, or an administrator makes it",
  "25006": "This server only reads. Nothing was written",
  "28P01": "The login of the server is refused: whoever runs it corrects its --database-url",
  "3F000": MIGRATE,
  "42501": "The login role of the server may not read that: grant it ledger_auditor",
  "42883": MIGRATE,
  "42P01": MIGRATE,
  "57014": "It took too long: ask for less, such as one run",
};

const AGAIN = "The ledger cannot be reached now, or is busy: call again later";
const SURPRISE = "Tell whoever runs this server";

/** Messages may repeat names that somebody gave: those have no bound. */
const LONGEST = 600;

const bounded = (text: string): string => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`);

/** The answer to a call that failed. */
export function failure(thrown: unknown): CallToolResult {
  const error = ledgerError(thrown);
  if (!(error instanceof LedgerError))
    return told({ code: "internal", name: error.name, message: bounded(error.message) });
  const { code, name, message, retryable, detail } = error;
  const { path, rule } = detail;
  return told({
    code,
    name,
    message: bounded(message),
    ...(typeof path === "string" && { path: bounded(path) }),
    ...(typeof rule === "string" && { rule: bounded(rule) }),
    retryable,
    what_to_do: Object.hasOwn(WHAT_TO_DO, code)
      ? WHAT_TO_DO[code]
      : retryable || code.startsWith("08")
        ? AGAIN
        : SURPRISE,
  });
}

interface Told {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly path?: string;
  readonly rule?: string;
  readonly retryable?: boolean;
  readonly what_to_do?: string | undefined;
}

/** As text only: structured content would have to be what the tool answers when it does not fail. */
function told({ what_to_do = SURPRISE, ...known }: Told): CallToolResult {
  const error = { ...known, what_to_do };
  return {
    isError: true,
    content: [
      { type: "text", text: `${error.code} ${error.name}: ${error.message}. ${what_to_do}.` },
      { type: "text", text: JSON.stringify({ error }) },
    ],
  };
}
