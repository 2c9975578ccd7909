/** When a driver's budget cannot pay for more work. */
import { canonicalDecimal, exact } from "../../ledger/amounts.js";
import type { Amount } from "../../ledger/protocol.js";
import type { Readout } from "../../ledger/readout.js";
import type { PerWorker } from "../scope.js";

/**
 * Starved: no child is in flight whose refund could come, and what is left cannot pay for one more worker. Tokens or dollars without a
 * ceiling per worker must at least not be used up, so that a driver without ceilings is bounded by its pool too. What nobody caps
 * starves nobody.
 */
export function isStarved(
  budget: Pick<Readout, "tokensLeft" | "iterationsLeft" | "usdCapped" | "usdLeft">,
  perWorker: PerWorker,
  live: number,
): boolean {
  if (live > 0) return false;
  const { tokensLeft, iterationsLeft, usdCapped, usdLeft } = budget;
  const below = (left: number | string, least: Amount): boolean =>
    exact(String(left)).lt(String(canonicalDecimal(least)));
  return (
    (tokensLeft !== null && below(tokensLeft, perWorker.maxTokens ?? 1)) ||
    (iterationsLeft !== null && exact(String(iterationsLeft)).lte(0)) ||
    (usdCapped && usdLeft !== null && (exact(usdLeft).lte(0) || below(usdLeft, perWorker.maxUsd ?? 0)))
  );
}
