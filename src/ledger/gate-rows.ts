/** What gates and comparisons of arms answer. Amounts and rates are exact decimal text; names are those of `ledger.equal_k`. */

/** `inconclusive` wins over `unequal`, `unequal` over `equal`. */
export type Verdict = "equal" | "unequal" | "inconclusive";

/** Why a verdict is not `equal`: the first that applies. The first four are inconclusive, the others unequal. */
export type GateReason =
  | "open-hold"
  | "unknown-usage"
  | "unbalanced"
  | "mixed-units"
  | "zero-median"
  | "over-tolerance";

/** A cost: on a channel one amount, for `all` one of each quantity. */
export type GateCost =
  | string
  | { readonly tokens: string; readonly usd: string; readonly iterations: string; readonly ms: string };

/** A run that does not count: judged `infra` itself, or `paired` with one by task and replicate. */
export interface LeftOutRun {
  readonly run_id: string;
  readonly task: string | null;
  readonly replicate: string | null;
  readonly reason: "infra" | "paired";
  readonly cost: GateCost;
}

/** One arm as a gate saw it. `nodes` (100 at most, `nodes_total` in all) are open, or of unknown or uncertain usage. */
export interface GateArm {
  readonly arm: string;
  readonly runs: number;
  readonly cost: GateCost;
  /** On a channel, the part of the cost that was charged without a receipt. */
  readonly estimated?: string;
  /** On a channel, events of unknown usage; of dollars, those for which nothing is charged. */
  readonly unknown_events?: number;
  readonly open_holds: number;
  readonly nodes: readonly string[];
  readonly nodes_total: number;
  readonly left_out: readonly LeftOutRun[];
}

/** A plan as it was registered. `spend_first`: some spend of the experiment happened before or with it. Instants are ISO 8601. */
export interface GatePlan {
  readonly plan_ref: string;
  readonly registered_at: string;
  readonly operation_id: string;
  readonly spend_first: boolean;
  /** Null: nothing spent. */
  readonly first_spend_at: string | null;
}

/** One row of a gate. Spread, median and fraction are null for `all`, and where arms count tokens in different units. */
export interface GateRow {
  readonly channel: "tokens" | "usd" | "all";
  readonly verdict: Verdict;
  readonly spread: string | null;
  readonly median: string | null;
  /** Spread / median to 12 decimals; null also where the median is 0. */
  readonly fraction: string | null;
  readonly tolerance: string;
  readonly reason: GateReason | null;
  readonly arms: readonly GateArm[];
  readonly plan: GatePlan | null;
}

/** The same of one task; null stands for the runs that state none. */
export interface TaskGateRow extends GateRow {
  readonly task: string | null;
}

/** Outcomes of two arms, over the last run of each task and replicate that counts. */
export interface ArmOutcomes {
  readonly runs_a: number;
  readonly runs_b: number;
  /** Ended down or cancelled. */
  readonly errored_a: number;
  readonly errored_b: number;
  readonly unjudged_a: number;
  readonly unjudged_b: number;
  readonly resolved_a: number;
  readonly resolved_b: number;
  /** Resolved / (resolved + unresolved) to 12 decimals; null where there is neither. */
  readonly rate_a: string | null;
  readonly rate_b: string | null;
  /** Tasks and replicates judged on both sides and errored on none. */
  readonly pairs: number;
  readonly both_resolved: number;
  readonly only_a: number;
  readonly only_b: number;
  readonly neither: number;
  /** Of the exact two-sided sign test on the pairs where only one resolved, to 12 decimals. */
  readonly p_value: string;
}

/** A comparison; without outcomes it is refused, because the gate is not equal. */
export interface ArmComparison {
  readonly experiment: string;
  readonly arm_a: string;
  readonly arm_b: string;
  readonly verdict: Verdict;
  readonly reason: GateReason | null;
  readonly outcomes: ArmOutcomes | null;
}
