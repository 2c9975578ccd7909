/** The answer of the ledger to a model call that its pool cannot pay for: nothing was sent to the provider. */
import type { Shortfall } from "../ledger/protocol.js";

const REFUSED = Symbol.for("agent-ledger.CallRefusedError");

/** Codes that do not say what to do. */
const HINTS: Readonly<Record<string, string>> = {
  "usd-sealed": "usd-sealed: dollars of an earlier call are unknown, correct it with what it cost",
};

/** A call that was not made. `code` is the refusal (`budget-exhausted`, `usd-sealed`, `deadline-passed`, `pool-frozen`, …). */
export class CallRefusedError extends Error {
  override readonly name = "CallRefusedError";
  readonly [REFUSED] = true;
  readonly code: string;
  readonly poolId: string;
  readonly model: string;
  /** What was short, per channel: `{ channel, requested, free }`, amounts as text. Empty where amounts are not the cause. */
  readonly shortfall: readonly Shortfall[];
  /** Repeating the call as it is does not help. */
  readonly retryable = false;

  constructor(refused: { code: string; poolId: string; model: string; shortfall: readonly Shortfall[] }) {
    const { code, poolId, model, shortfall } = refused;
    const short = shortfall.map(({ channel, requested, free }) => `${channel}: ${requested} asked, ${free} left`);
    super(`the call of ${model} was not made: ${[HINTS[code] ?? code, ...short].join("; ")} (pool ${poolId})`);
    this.code = code;
    this.poolId = poolId;
    this.model = model;
    this.shortfall = shortfall;
  }

  /** Known by its mark: clients of providers let only errors through that extend a class of theirs. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && REFUSED in value;
  }
}
