/** How a child ended, and the booking of it: the artifact first, then the row that names it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { BudgetPool, Reconciled, Ticket } from "../../ledger/budget-pool.js";
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Verdict } from "../executor.js";
import { type Booking, expire } from "./calls-in-doubt.js";
import { verdictOfDriver } from "./reading.js";
import { reasonOf } from "./reasons.js";
import type { Whole } from "./reported.js";

/** What a child's work came to. `spend` is null for a driver, whose pool knows it. */
export type Ending =
  | {
      readonly kind: "done";
      readonly spend: Whole | null;
      readonly out: unknown;
      readonly verdict: Verdict | undefined;
    }
  | { readonly kind: "down"; readonly spend: Whole | null; readonly reason: string; readonly infra: boolean }
  /** It never began: its room is refunded. */
  | { readonly kind: "never"; readonly reason: string };

/** What the ledger has of it now. */
export interface Booked {
  readonly status: "done" | "down" | "cancelled";
  readonly spend: Readonly<Record<string, unknown>>;
  readonly outRef: string | undefined;
  readonly verdict: Verdict | undefined;
  readonly reason: string | undefined;
  readonly infra: boolean;
}

/** Of work that did not begin: nothing, and that is known. */
export const NOTHING_SPENT = { iterations: 0, input_tokens: 0, output_tokens: 0, usd: 0 };

/**
 * Books an ending; asked again with the same `operationId`, it books nothing twice. Undefined where somebody else has booked the end.
 * What the ledger cannot take as it is, is booked as near to it as it can be: with the plain figures, then `down`, and where it takes
 * not even those, as a cancellation that charges the ceilings.
 * @throws {LedgerError} `retryable` ones; LG007 where a driver's children are open.
 */
export async function book(
  booking: Booking,
  pool: BudgetPool,
  ticket: Ticket,
  ending: Ending,
  operationId: string,
  patienceMs: number,
): Promise<Booked | undefined> {
  const { ledger } = booking;
  const over = (attempt: () => Promise<Booked>): Promise<Booked> =>
    overOpenHolds(booking, ticket.nodeId, patienceMs, attempt);
  let unfit: unknown;
  const reason = (): string => reasonOf(`its end could not be booked as it was: ${reasonOf(unfit)}`);
  try {
    for (const form of formsOf(ending, reason)) {
      try {
        return await over(() => bookAs(ledger, pool, ticket, form(), operationId));
      } catch (error) {
        if (!isUnfit(error) || ending.kind === "never") throw error;
        unfit ??= error;
      }
    }
    return await over(() => cancelled(pool, ticket, reason(), operationId));
  } catch (error) {
    if (error instanceof LedgerError && error.code === "LG004") return undefined;
    throw error;
  }
}

/** An ending as it is, then plainer and plainer. Finished work stays done as long as it can: its figures give way first. */
function formsOf(ending: Ending, reason: () => string): (() => Ending)[] {
  const asItIs = (): Ending => ending;
  if (ending.kind === "never") return [asItIs];
  const { spend } = ending;
  const plain = spend && plainFigures(spend);
  if (ending.kind === "down") return [asItIs, () => ({ ...ending, spend: plain })];
  const down = (figures: Whole | null) => (): Ending => ({
    kind: "down",
    spend: figures,
    reason: reason(),
    infra: false,
  });
  const figuresGiveWay = plain ? [(): Ending => ({ ...ending, spend: plain })] : [];
  return [asItIs, ...figuresGiveWay, down(spend), down(plain)];
}

/** Between two attempts at a driver over whose pool others hold room: from, and at most. */
const SHORTEST_MS = 5;
const LONGEST_MS = 1_000;

/**
 * A driver ends after all its children, also those that only their leases end: booked as they lapse, for `patienceMs` at most.
 */
async function overOpenHolds<T>(
  booking: Booking,
  nodeId: string,
  patienceMs: number,
  attempt: () => Promise<T>,
): Promise<T> {
  const until = performance.now() + patienceMs;
  for (let delayMs = SHORTEST_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "LG007" || performance.now() >= until) throw error;
      await expire(booking, nodeId);
      await sleep(delayMs);
    }
  }
}

/** What no repetition cures, and a plainer form may: something in it that the ledger, or JSON, cannot take. */
function isUnfit(error: unknown): boolean {
  return !(error instanceof LedgerError) || /^(?:LG001|22|23)/.test(error.code);
}

async function bookAs(
  ledger: Ledger,
  pool: BudgetPool,
  ticket: Ticket,
  ending: Ending,
  operationId: string,
): Promise<Booked> {
  if (ending.kind === "never") {
    return cancelled(pool, ticket, ending.reason, operationId, ticket.driver ? undefined : NOTHING_SPENT);
  }
  const { kind: status, spend } = ending;
  if (status === "down") {
    const { reason, infra } = ending;
    const booked = await pool.reconcile(ticket, spend, { operationId, outcome: status, reason, infra });
    return { status, spend: booked.spend, outRef: undefined, verdict: undefined, reason, infra };
  }
  const { out } = ending;
  const verdict = ending.verdict ?? (ticket.driver ? await verdictOfDriver(ledger, ticket.nodeId) : undefined);
  const outRef = out === undefined ? undefined : await ledger.putArtifact(out);
  const booked = await pool.reconcile(ticket, spend, { operationId, outcome: status, outRef, verdict });
  return { status, spend: booked.spend, outRef, verdict, reason: undefined, infra: false };
}

async function cancelled(
  pool: BudgetPool,
  ticket: Ticket,
  reason: string,
  operationId: string,
  spend?: typeof NOTHING_SPENT | undefined,
): Promise<Booked> {
  const booked: Reconciled = await pool.cancel(ticket, { operationId, reason, ...(spend && { spend }) });
  return { status: "cancelled", spend: booked.spend, outRef: undefined, verdict: undefined, reason, infra: true };
}

function plainFigures({ iterations, input_tokens, output_tokens, usd, ms, tokens_known, usd_known }: Whole): Whole {
  return { iterations, input_tokens, output_tokens, usd, ms, tokens_known, usd_known };
}
