/** Ways to run the same work, which differ in what unknown dollars do. */
import type { Budget } from "../../../src/ledger/protocol.js";

export interface Variant {
  readonly root: Budget;
  readonly unknownUsd: "seal" | "flag";
  readonly driver: Budget;
  /** Of a driver below another. */
  readonly inner: Budget;
  readonly worker: Budget;
  /** What one call of a driver's model can cost at most, where the driver says so. */
  readonly maxUsdPerCall: string | undefined;
}

const tokens = { root: 2_000_000, driver: 200_000, inner: 20_000, worker: 1_000 };
const rounds = { root: 2_000, driver: 200, inner: 20, worker: 6 };

/**
 * Dollars nobody caps; capped for the run and declared nowhere below, unknown ones flagged; declared at every level, unknown ones
 * would seal the pools, if the drivers did not say what a call can cost at most.
 */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  uncapped: {
    root: { tokens: tokens.root, iterations: rounds.root },
    unknownUsd: "seal",
    driver: { tokens: tokens.driver, iterations: rounds.driver },
    inner: { tokens: tokens.inner, iterations: rounds.inner },
    worker: { tokens: tokens.worker, iterations: rounds.worker },
    maxUsdPerCall: undefined,
  },
  flagged: {
    root: { tokens: tokens.root, iterations: rounds.root, usd: "90" },
    unknownUsd: "flag",
    driver: { tokens: tokens.driver, iterations: rounds.driver },
    inner: { tokens: tokens.inner, iterations: rounds.inner },
    worker: { tokens: tokens.worker, iterations: rounds.worker },
    maxUsdPerCall: undefined,
  },
  capped: {
    root: { tokens: tokens.root, iterations: rounds.root, usd: "90" },
    unknownUsd: "seal",
    driver: { tokens: tokens.driver, iterations: rounds.driver, usd: "9" },
    inner: { tokens: tokens.inner, iterations: rounds.inner, usd: "1" },
    worker: { tokens: tokens.worker, iterations: rounds.worker, usd: "0.05" },
    maxUsdPerCall: "0.01",
  },
};

/** The variant of that name. */
export function variantOf(name: string): Variant {
  const variant = VARIANTS[name];
  if (!variant) throw new Error(`no variant ${name}`);
  return variant;
}
