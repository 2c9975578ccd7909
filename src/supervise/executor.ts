/** What runs one leaf worker: it does the work, tells what it consumed, and is torn down. */
import type { Amount, Spend } from "../ledger/protocol.js";
import type { UsageEvent } from "../ledger/spend.js";

/** How good a result is. `score` missing counts as 0 where results are compared. */
export interface Verdict {
  readonly valid: boolean;
  readonly score?: number;
  /** Cut where it is too long for a row (about 100,000 bytes). */
  readonly notes?: string;
}

/** What a worker made, and what it consumed in all. */
export interface ExecutorResult {
  /** Any JSON value; it is stored as an artifact before the settlement that names it. */
  readonly out: unknown;
  /** `sha256:<hex>` of the canonical JSON of `out`, where the executor knows it; another value is refused. */
  readonly outRef?: string;
  readonly verdict?: Verdict;
  /**
   * All that was consumed. A channel whose figure is stated here is the executor's own total and wins over what its events add up to; one
   * left out is what the events add up to, and so is each resource that is not named. Tokens or dollars left out by both are unknown, not
   * zero; `iterations` left out by both is 1, the round that this was; `ms` left out is the wall clock's. ms are rounded, dollars and
   * resources rounded half-even to 12 decimals; tokens or dollars that cannot be read are unknown, and so are tokens whose cache or
   * reasoning part is larger than they are (the part is left out). None of this ends the work; a field of another name does.
   */
  readonly spent: Spend & { readonly iterations?: Amount };
}

/** What an executor tells of itself while it works. */
export interface ExecutorProgress {
  /** When it last did something, in ms since 1970. */
  readonly lastActivityMs: number;
  /** Any JSON value, for people. */
  readonly note?: unknown;
}

/**
 * One piece of leaf work. Made once per granted spawn, so that refused work constructs nothing.
 *
 * One-shot: `execute` resolves with the result. Streaming: `execute` answers usage events as they happen, and `resultArtifact` has
 * the result after the last. `cost` events add up to receipts; `iteration` events count rounds. A malformed event, or a resource named as
 * a plain channel, ends the stream.
 *
 * Work that broke off keeps what its events told; the rest is unknown. Its dollars are charged as silence is, the ceiling of the child,
 * where that is more than was told; else, and where it has no ceiling, what was told is the estimate.
 */
export interface Executor {
  /** What kind of thing runs the work, such as `router`, `cli` or `function`; it is kept with the node. */
  readonly runtime: string;
  /** Does the work. Stops soon after `signal` aborts. What it throws ends the child `down`. */
  execute(task: unknown, signal: AbortSignal): Promise<ExecutorResult> | AsyncIterable<UsageEvent>;
  /** The result of a streaming executor, once its stream has ended. A one-shot executor may leave it out. */
  resultArtifact?(): ExecutorResult | Promise<ExecutorResult>;
  /** Gives back what the work holds, within `graceMs`. Called once, however the work ended. */
  teardown(graceMs: number): Promise<void> | void;
  /** Takes a message for the work under way; false where it cannot. */
  deliver?(message: unknown): boolean | Promise<boolean>;
  progress?(): ExecutorProgress | undefined;
}
