/**
 * One call of a model that an existing program makes, as a leaf of its pool: its ceilings are reserved before the provider is asked, it is
 * dispatched where the provider may bill, and settled with what the provider said. What was not said is unknown.
 */
import { type BudgetPool, DEFAULT_LEASE_MS } from "../ledger/budget-pool.js";
import type { Budget, Spend } from "../ledger/protocol.js";
import type { CallReport, ToolAsked } from "../usage/usage.js";
import { booking } from "./booking.js";
import { CallRefusedError } from "./call-refused.js";
import { ceilingsOf } from "./ceilings.js";
import { keptName } from "./kept.js";
import { checkedOptions } from "./options.js";
import { unlessAborted } from "./patience.js";

/** What is known of a call before it is made. */
export interface CallAsked {
  /** As the price book names it: `openai`, `anthropic`, `google`. */
  readonly provider: string;
  readonly model: string;
  /** Bytes of text in the prompt, tools and instructions included: no tokenizer makes more tokens of them than bytes. */
  readonly promptBytes: number;
  /** Pictures and files, which have no text to count. */
  readonly attachments: number;
  /** What it may answer at most, with all that it thinks. */
  readonly maxOutputTokens?: number | undefined;
  /** What became of tools asked for in earlier calls, as the prompt tells it. */
  readonly toolResults: readonly ToolOutcome[];
}

/** What became of a tool that was asked for. */
export interface ToolOutcome {
  readonly id: string;
  readonly status: "ok" | "error";
}

/** How calls are metered. */
export interface MeteringOptions {
  /**
   * Ceilings of one call. Default: one iteration; as many tokens as the prompt has bytes (4,000 for each attachment) and the call may
   * answer with (4,096 where it does not say); dollars, where the pool's are capped, at the price of that in the tenant's price book. Of a
   * call whose usage stays unknown (it broke off, or failed in a way that may have cost something) the pool is charged these: tight ones keep
   * that small. Dollars that only a pool above caps are not held, so calls on their way at once may pass that cap: cap them in the pool itself.
   */
  readonly perCall?: Budget | ((call: CallAsked) => Budget) | undefined;
  /** Stands for the provider in the journal and the price book, where it is another than the client's own. */
  readonly provider?: string | undefined;
  /** Label of the calls' nodes. Default: the model. */
  readonly label?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** The longest that a call may take, in ms; then it is charged its ceilings (default 15 minutes). Its end, when it comes, corrects that. */
  readonly leaseMs?: number | undefined;
  /**
   * Hears that a call that was made could not be booked, because the ledger could not be reached: its answer is given to the program all
   * the same, after 10 seconds at most, which may be before this; its hold ends by its lease. Default: a warning of the process.
   */
  readonly onBookingError?: ((error: unknown) => void) | undefined;
}

/** A tool that was asked for, and, where the provider ran it itself, what became of it. */
export interface ToolMade extends ToolAsked {
  readonly status?: ToolOutcome["status"] | undefined;
}

/** What is known of a call at its end. */
export interface MeteredReport extends Omit<CallReport, "tools"> {
  readonly tools: readonly ToolMade[];
}

/** A call that has room and was announced as dispatched: exactly one of its endings is called, further ones do nothing. */
export interface MeteredCall {
  readonly nodeId: string;
  /** It answered, whole or broken off (`report.complete`). Never throws, nor waits longer than 10 s for the ledger. */
  answered(report: MeteredReport): Promise<void>;
  /** It failed, with what was heard until then. `refused`: it was not sent, or not taken (`notTaken`), so nothing was used. */
  failed(reason: string, report?: MeteredReport, refused?: boolean): Promise<void>;
}

/** The runtime of a call's node. */
const RUNTIME = "model-call";

/**
 * Reserves and dispatches a call: two calls of the ledger. The lease is not renewed, so that a call that never ends is charged.
 * @param signal aborts the call: it is heard at once, and what was reserved by then is given back behind the program's back.
 * @throws {CallRefusedError} where the pool cannot pay for it.
 * @throws {LedgerError} LG001 where dollars are capped, no ceiling is stated and the model has no known price; what a write throws.
 * @throws the signal's reason.
 */
export async function beginCall(
  pool: BudgetPool,
  asked: CallAsked,
  options: MeteringOptions,
  signal?: AbortSignal | null,
): Promise<MeteredCall> {
  signal?.throwIfAborted();
  const beginning = begin(pool, asked, options, signal);
  if (!signal) return beginning;
  return unlessAborted(signal, beginning).catch((error: unknown): never => {
    // It may have begun in the same moment.
    beginning.then(
      (call) => call.failed("aborted before it was sent", undefined, true),
      () => {},
    );
    throw error;
  });
}

async function begin(
  pool: BudgetPool,
  asked: CallAsked,
  options: MeteringOptions,
  signal: AbortSignal | null | undefined,
): Promise<MeteredCall> {
  const { perCall, label, tags, leaseMs = DEFAULT_LEASE_MS, ...checked } = checkedOptions(options);
  const provider = checked.provider ?? asked.provider;
  const { model } = asked;
  const { budget, usdAbove } = await ceilingsOf(pool, asked, provider, perCall);
  signal?.throwIfAborted();
  const reserved = await pool.reserve(budget, {
    label: label ?? keptName(model) ?? "model",
    runtime: RUNTIME,
    leaseMs,
    renew: false,
    tags,
  });
  if (!reserved.ok) {
    const { code, shortfall } = reserved;
    throw new CallRefusedError({ code, poolId: pool.poolId, model, shortfall });
  }
  const { ticket } = reserved;
  try {
    signal?.throwIfAborted();
    await pool.dispatch(ticket);
    signal?.throwIfAborted();
  } catch (error) {
    // Nothing will be sent, whatever the ledger has heard of the dispatch: that is known, and nobody need wait for it to be written. Where
    // it cannot be, the lease ends the hold.
    pool.cancel(ticket, { reason: "not sent", spend: NOT_SENT }).catch(() => {});
    throw error;
  }
  return booking(pool, ticket.nodeId, asked, { provider, usdAbove, onBookingError: checked.onBookingError });
}

/** A call that was not made. */
const NOT_SENT: Spend = { iterations: 0, input_tokens: 0, output_tokens: 0, usd: 0 };

export type { ToolAsked };
