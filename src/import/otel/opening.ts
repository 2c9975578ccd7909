/** Opening the run of a trace. */
import { LedgerError } from "../../ledger/errors.js";
import type { Result } from "../../ledger/protocol.js";
import { GEN_AI } from "../../otel/names.js";
import type { Writing } from "./booked.js";
import type { Booking } from "./booking.js";
import { openId, runOf } from "./ids.js";
import { nameOf, textOf } from "./naming.js";

/** The answer that stopped it: DETAIL of LG008. */
interface Stopped {
  readonly code?: string;
  readonly result?: Result;
}

/** These say that somebody else opened it meanwhile, from other spans of it; if not, the spans will find no pool. */
const OVERTAKEN = ["LG005", "LG011"];

/**
 * Opens it, uncapped; answers what kept it from being opened. Atomic, so that nothing is kept of a refusal: the same spans can be sent again
 * when its cause is gone.
 */
export async function openRun(
  ledger: Pick<Writing, "apply">,
  trace: string,
  bookings: readonly Booking[],
  parent: string | undefined,
): Promise<string | undefined> {
  const starts = bookings.flatMap(({ span }) => span.startMs ?? []);
  const began = starts.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const at = Number.isFinite(began) ? { effective_at: new Date(began).toISOString() } : {};
  const operation = {
    op: "open_pool",
    operation_id: openId(trace),
    pool_id: runOf(trace),
    channels: {},
    ...(parent !== undefined && { parent_pool_id: parent }),
    run: { label: labelOf(bookings) },
  };
  const stopped = (await attempt(ledger, { ...operation, ...at })) ?? {};
  // The clock of the program is ahead of the database's.
  const again = stopped.result?.path === "effective_at" ? ((await attempt(ledger, operation)) ?? {}) : stopped;
  const { code, result = {} } = again;
  if (code === undefined || OVERTAKEN.includes(code)) return undefined;
  return `its run cannot be opened: ${[code, result.path, result.rule].filter(Boolean).join(" ")}`;
}

async function attempt(
  ledger: Pick<Writing, "apply">,
  operation: Parameters<Writing["apply"]>[0][number],
): Promise<Stopped | undefined> {
  try {
    await ledger.apply([operation], { atomic: true });
    return undefined;
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "LG008") throw error;
    return error.detail as Stopped;
  }
}

/** The service, unless it was never named; else the agent. */
function labelOf(bookings: readonly Booking[]): string {
  const services = bookings
    .map(({ span }) => textOf(span.service))
    .filter((name) => name && !/^unknown_service/.test(name));
  const agents = bookings.map(({ span }) => nameOf(span.attributes, [GEN_AI.agentName]));
  return [...services, ...agents].find((name) => name !== undefined) ?? "trace";
}
