/** The end of a call that was dispatched: settled once, with what was said of it, and never at the program's expense. */
import { AsyncResource } from "node:async_hooks";
import { performance } from "node:perf_hooks";
import type { BudgetPool, ReconcileOptions } from "../ledger/budget-pool.js";
import { LedgerError } from "../ledger/errors.js";
import type { Amount, Spend } from "../ledger/protocol.js";
import { type BookedModel, bookedModel } from "./booked-model.js";
import { keptName, keptOutcomes, keptTools } from "./kept.js";
import type { CallAsked, MeteredCall, MeteredReport, MeteringOptions } from "./metered-call.js";
import { within } from "./patience.js";

/** Whose call it is, what it may cost, and who hears of what cannot be booked. */
interface Booked extends Pick<MeteringOptions, "onBookingError"> {
  readonly provider: string;
  /** Dollars that it costs at most, where only a pool above caps them: no hold says so. */
  readonly usdAbove?: Amount | undefined;
}

/** A request that the provider did not take: nothing was used, and that is known. */
const NOTHING: Spend = { input_tokens: 0, output_tokens: 0, usd: 0 };

/**
 * So long an answer waits for its booking, which is a few ms: long enough for a lock, a failover or a reconnect. Who has the answer by then
 * gets it, and the booking goes on as long as the ledger's patience lasts.
 */
const BOOKING_MS = 10_000;

/**
 * The settlement of a call that is on its way from now on. It is written where the call began: a caller's transaction that its end comes in
 * is not its own, and may hold the pool (then it is written after that transaction).
 */
export function booking(pool: BudgetPool, nodeId: string, asked: CallAsked, booked: Booked): MeteredCall {
  const begun = performance.now();
  let ended: Promise<unknown> | undefined;
  const end = async (report: MeteredReport | undefined, how: ReconcileOptions, spend: Spend): Promise<void> => {
    const whole = { ...spend, iterations: 1, ms: Math.round(performance.now() - begun) };
    ended ??= within(BOOKING_MS, book(report, how, whole));
    await ended;
  };
  const settled = async (report: MeteredReport | undefined, how: ReconcileOptions, spend: Whole): Promise<void> => {
    const settle = (whole: Whole, options: ReconcileOptions): Promise<unknown> =>
      pool.reconcile({ nodeId }, whole, { ...how, ...options });
    try {
      const { priced, ...model } = await modelOf(pool, asked, booked, report, spend);
      const whole = withCeiling(spend, booked.usdAbove, priced);
      const { provider } = booked;
      const which = { provider: keptName(provider), ...model, providerRequestId: keptName(report?.providerRequestId) };
      const tools = { toolCalls: keptTools(report?.tools ?? []), toolResults: keptOutcomes(asked.toolResults) };
      await settle(whole, { ...which, ...listed(tools) }).catch((error: unknown) => {
        if (!isUnfit(error)) throw error;
        // Too many tools for one row: what it cost is more than what it called.
        return settle(whole, which);
      });
    } catch (error) {
      heard(error, nodeId, booked.onBookingError);
    }
  };
  const book = AsyncResource.bind(settled);
  return {
    nodeId,
    answered: (report) =>
      end(
        report,
        { outcome: "done", purpose: "turn", ...(!report.complete && { reason: "not read to its end" }) },
        report.spend,
      ),
    failed: (reason, report, refused = false) =>
      end(report, { outcome: "down", purpose: "failed", reason }, refused ? NOTHING : (report?.spend ?? {})),
  };
}

type Whole = Spend & { readonly iterations: Amount };

/** The model, and whether it has a price: looked up only where that says which name, or how many dollars. */
async function modelOf(
  pool: BudgetPool,
  { model }: CallAsked,
  { provider, usdAbove }: Booked,
  report: MeteredReport | undefined,
  spend: Spend,
): Promise<BookedModel> {
  const [asked, told] = [keptName(model), keptName(report?.model)];
  const isNamed = told === undefined || told === asked;
  if (spend.usd !== undefined || (isNamed && usdAbove === undefined)) return { model: told ?? asked };
  return bookedModel(pool, { provider, model }, report?.model);
}

/**
 * Dollars that are unknown, and that the ledger will not work out, would seal the pool above that pays for them. What the call costs at most
 * is known instead: it is an estimate, charged in full, as the ceiling of a hold would be.
 */
function withCeiling(spend: Whole, usdAbove: Amount | undefined, priced = false): Whole {
  const { input_tokens: input, output_tokens: output, tokens_known: known = true } = spend;
  const isWorkedOut = priced && known && input !== undefined && output !== undefined;
  if (usdAbove === undefined || spend.usd !== undefined || isWorkedOut) return spend;
  return { ...spend, usd: usdAbove, usd_known: false };
}

/** Nothing is written of what there was none of. */
function listed<T extends Readonly<Record<string, readonly unknown[]>>>(lists: T): Partial<T> {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as Partial<T>;
}

/** What no repetition cures, and fewer words may. */
function isUnfit(error: unknown): boolean {
  return error instanceof LedgerError && /^(?:LG001|22)/.test(error.code);
}

/** Never at the program's expense: a listener that throws is no reason to fail its call either. */
function heard(error: unknown, nodeId: string, listener = warn(nodeId)): void {
  try {
    listener(error);
  } catch (thrown) {
    warn(nodeId)(thrown);
  }
}

function warn(nodeId: string): (error: unknown) => void {
  return (error) => {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
    process.emitWarning(`model call ${nodeId} was made and could not be booked, its lease ends it: ${why}`, {
      code: "AGENT_LEDGER_UNBOOKED",
    });
  };
}
