/**
 * The rules of a gate, worked out run by run with exact integers: dollars in cents, medians doubled. An infra run takes its task and
 * replicate out of every arm; what is left decides.
 */

/** A run: tokens in its arm's unit, dollars in cents. */
export interface Run {
  readonly task: string | null;
  readonly replicate: string | null;
  readonly infra: boolean;
  readonly open: boolean;
  tokens: bigint;
  usd: bigint;
  unsureTokens: boolean;
  unsureUsd: boolean;
}

/** The runs of an arm. */
export interface Arm {
  readonly arm: string;
  readonly unit: string;
  readonly runs: readonly Run[];
}

/** One row of the gate; amounts are texts in shortest form. */
export interface Verdict {
  readonly task: string | null;
  readonly channel: string;
  readonly verdict: string;
  readonly reason: string | null;
  readonly spread: string | null;
  readonly median: string | null;
}

const ORDER = ["open-hold", "unknown-usage", "unbalanced", "mixed-units", "zero-median", "over-tolerance"];
const UNEQUAL = ["zero-median", "over-tolerance"];

const cellOf = ({ task, replicate }: Run): string => JSON.stringify([task, replicate]);

/** The rows of `equal_k` (or by task), or LG010 where no run counts. */
export function gateOf(arms: readonly Arm[], tolerance: string, byTask: boolean): Verdict[] | string {
  const broken = new Set(arms.flatMap(({ runs }) => runs.filter(({ infra }) => infra).map(cellOf)));
  const counted = arms.map((arm) => ({ ...arm, runs: arm.runs.filter((run) => !broken.has(cellOf(run))) }));
  const tasks = new Set(counted.flatMap(({ runs }) => runs.map(({ task }) => (byTask ? task : null))));
  if (tasks.size === 0) return "LG010";
  // Runs without a task come first.
  const inOrder = [...tasks].sort((a, b) => (a === null ? -1 : b === null ? 1 : a < b ? -1 : 1));
  return inOrder.flatMap((task) => {
    const of = counted.map((arm) => ({ ...arm, runs: arm.runs.filter((run) => !byTask || run.task === task) }));
    return verdictsOf(of, tolerance).map((verdict) => ({ task, ...verdict }));
  });
}

function verdictsOf(arms: readonly Arm[], tolerance: string): Omit<Verdict, "task">[] {
  const two = [sideOf(arms, tolerance, "tokens"), sideOf(arms, tolerance, "usd")];
  const reasons = two.map(({ reason }) => reason).filter((reason) => reason !== null);
  const worst = ORDER.find((reason) => reasons.includes(reason)) ?? null;
  return [...two, { channel: "all", verdict: verdictOf(worst), reason: worst, spread: null, median: null }];
}

function sideOf(arms: readonly Arm[], tolerance: string, channel: "tokens" | "usd"): Omit<Verdict, "task"> {
  const costs = arms
    .map(({ runs }) => runs.reduce((sum, run) => sum + run[channel], 0n))
    .sort((a, b) => (a < b ? -1 : 1));
  const at = (index: number): bigint => costs[index] ?? 0n;
  const spread = at(costs.length - 1) - at(0);
  const doubled = at((costs.length - 1) >> 1) + at(costs.length >> 1);
  const sets = arms.map(({ runs }) => [...new Set(runs.map(cellOf))].sort().join());
  const units = new Set(arms.filter(({ runs }) => runs.length > 0).map(({ unit }) => unit));
  const mixed = channel === "tokens" && units.size > 1;
  const millionths = BigInt(Math.round(Number(tolerance) * 1e6));
  const runs = arms.flatMap((arm) => arm.runs);
  const reason = runs.some(({ open }) => open)
    ? "open-hold"
    : runs.some((run) => (channel === "tokens" ? run.unsureTokens : run.unsureUsd))
      ? "unknown-usage"
      : new Set(sets).size > 1
        ? "unbalanced"
        : mixed
          ? "mixed-units"
          : spread * 2_000_000n <= millionths * doubled
            ? null
            : doubled === 0n
              ? "zero-median"
              : "over-tolerance";
  const unit = channel === "tokens" ? 1 : 100;
  return {
    channel,
    verdict: verdictOf(reason),
    reason,
    spread: mixed ? null : String(Number(spread) / unit),
    median: mixed ? null : String(Number(doubled) / 2 / unit),
  };
}

function verdictOf(reason: string | null): string {
  if (reason === null) return "equal";
  return UNEQUAL.includes(reason) ? "unequal" : "inconclusive";
}
