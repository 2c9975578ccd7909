/** What one call is reserved: what its caller states, the rest from its prompt and from the tenant's prices. */
import { z } from "zod";
import type { BudgetPool } from "../ledger/budget-pool.js";
import { LedgerError } from "../ledger/errors.js";
import type { Amount, Budget } from "../ledger/protocol.js";
import { budget, parse } from "../ledger/schemas.js";
import type { CallAsked, MeteringOptions } from "./metered-call.js";

/** Tokens of a picture or a file, which has no text to count. */
const ATTACHMENT_TOKENS = 4_000;

/** What a call may answer that does not say how much. */
export const OUTPUT_TOKENS = 4_096;

/** What one call may cost. */
export interface Ceilings {
  /** What is held. */
  readonly budget: Budget;
  /** Dollars that it costs at most, where a pool above caps them and this one does not. */
  readonly usdAbove?: Amount;
}

/**
 * The ceilings of a call. Channels that nobody caps are named only where they are stated; dollars only where the pool itself caps
 * them, because a pool that does not can hold none: what a pool above pays is drawn from it when the call is settled. So calls that are on
 * their way at once may pass a cap above by what they cost together: dollars that must hold are capped in the pool itself.
 * @throws {LedgerError} LG001 where dollars are capped, no ceiling is stated and the model has no known price; where `maxOutputTokens` is no
 *   count.
 */
export async function ceilingsOf(
  pool: BudgetPool,
  asked: CallAsked,
  provider: string,
  perCall: MeteringOptions["perCall"],
): Promise<Ceilings> {
  const caps = await pool.caps();
  const input = asked.promptBytes + asked.attachments * ATTACHMENT_TOKENS;
  const output = parse(maxOutput, asked.maxOutputTokens, "maxOutputTokens");
  const { usd, ...ceilings } = {
    ...(caps.tokens !== "none" && { tokens: input + output }),
    ...(caps.iterations !== "none" && { iterations: 1 }),
    ...statedFor(asked, perCall),
  };
  if (caps.usd === "none") return { budget: ceilings };
  const known = usd ?? (await priceOf(pool, { provider, model: asked.model, input, output }));
  return caps.usd === "own" ? { budget: { ...ceilings, usd: known } } : { budget: ceilings, usdAbove: known };
}

const maxOutput = z.number().int().nonnegative().default(OUTPUT_TOKENS);

function statedFor(asked: CallAsked, perCall: MeteringOptions["perCall"]): Budget {
  const stated = typeof perCall === "function" ? parse(budget, answeredAtOnce(perCall(asked)), "perCall") : perCall;
  return Object.fromEntries(Object.entries(stated ?? {}).filter(([, amount]) => amount !== undefined));
}

/** @throws {LedgerError} LG001 for a promise, which would be read as no ceilings. */
function answeredAtOnce<T>(answer: T): T {
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => {});
  const rule = "must answer ceilings, not a promise of them: a function that is not async";
  throw new LedgerError("LG001", `perCall: ${rule}`, { detail: { path: "perCall", rule } });
}

/** What the call costs at most, at the tenant's prices of now. */
async function priceOf(
  pool: BudgetPool,
  call: { provider: string; model: string; input: number; output: number },
): Promise<Amount> {
  const { provider, model } = call;
  const usd = await pool.estimate({ provider, model, input_tokens: call.input, output_tokens: call.output });
  if (usd !== null) return usd;
  const rule = `is needed: dollars are capped and the tenant's price book has no price of ${provider} ${model}`;
  const todo =
    "state what one call may cost, or put the price into the book (agent-ledger prices import, or putPrices and usePrices)";
  throw new LedgerError("LG001", `perCall.usd: ${rule}; ${todo}`, { detail: { path: "perCall.usd", rule } });
}
