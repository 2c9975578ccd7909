/** How a supervised run ended, read from the ledger's views. */
import type { Verdict } from "./executor.js";
import type { TreeNode } from "./scope.js";
import type { Spent } from "./settled.js";

/** Where a run's spend came from. All three are always there, with zeros where nothing was metered. */
export interface Breakdown {
  readonly driverInference: Spent;
  readonly childWork: Spent;
  readonly total: Spent;
}

/** A node of which the ledger does not know all. */
export interface SpendGap {
  readonly nodeId: string;
  /** `never-settled`: its end is not booked. `unreported`: usage that nobody reported, uncorrected. */
  readonly gap: "never-settled" | "unreported";
  /** The channels concerned: tokens, usd, or what is held. */
  readonly channels: readonly string[];
}

/** A hold that outlived the run; its lease will end it. */
export interface LeakedReservation {
  readonly nodeId: string;
  readonly held: Readonly<Record<string, string>>;
  /** Null where it has no lease. */
  readonly leaseAt: Date | null;
}

interface Ended {
  readonly runId: string;
  readonly tree: readonly TreeNode[];
  /** The run's total; `ms` is the wall clock since the first start. */
  readonly spentTotal: Spent;
  readonly spentBreakdown: Breakdown;
  readonly spendGaps: readonly SpendGap[];
  readonly leakedReservations: readonly LeakedReservation[];
  /** Children of the run's driver that ended down, cancelled or expired. */
  readonly downCount: number;
}

/** The run has a result. */
export interface Winner<Value = unknown> extends Ended {
  readonly kind: "winner";
  readonly out: Value;
  readonly outRef: string;
  readonly verdict: Verdict;
}

/** Why a run has none, the first that applies. */
export type NoWinnerReason = "all-children-down" | "budget-exhausted" | "aborted" | "driver-failed";

/** The run has no result; what it spent is told all the same. */
export interface NoWinner extends Ended {
  readonly kind: "no-winner";
  readonly reason: NoWinnerReason;
  /** What the driver threw, where it failed. */
  readonly error?: { readonly name: string; readonly message: string; readonly stack?: string };
}

export type SupervisedResult<Value = unknown> = Winner<Value> | NoWinner;
