/**
 * Whether the arms of an experiment cost the same: the meaning of `ledger.equal_k`, run by run and in whole numbers.
 */
import { type Amount, formatAmount, parseAmount, whole } from "./amounts.js";
import { require } from "./faults.js";
import { eventsBelow } from "./reports.js";
import { isOpen, type Node, nodeOf, poolOf, type Run, type State } from "./state.js";
import { sumOfUsage } from "./usage.js";

type Row = Record<string, unknown>;
type Channel = "tokens" | "usd" | "all";

const UNIT = whole(1);

/** Reasons in the order in which they count; from the fifth on they are unequal, before that inconclusive. */
const REASONS = ["open-hold", "unknown-usage", "unbalanced", "mixed-units", "zero-median", "over-tolerance"];

/** A run with what it cost and what is in the way of comparing it. */
interface CostedRun {
  readonly run: Run;
  readonly leftOut: "infra" | "paired" | null;
  readonly unit: string;
  readonly amounts: Readonly<Record<"tokens" | "usd" | "iterations" | "ms", Amount>>;
  readonly open: readonly string[];
  readonly unsure: Readonly<Record<"tokens" | "usd", readonly string[]>>;
}

/** The rows tokens, usd and all of an experiment. Raises LG001, LG010. */
export function equalKOf(state: State, experiment: string, tolerance: number | string = "0.05"): Record<string, Row> {
  const part = parseAmount(tolerance);
  require(part !== undefined && part >= 0n && part <= UNIT, "LG001");
  const runs = [...state.runs.values()].filter((run) => run.experiment === experiment);
  const infra = new Set(runs.filter((run) => run.infra).map(cellOf));
  const costed = runs.map((run) => costOf(state, run, infra));
  require(costed.some(({ leftOut }) => leftOut === null), "LG010");
  const tokens = compare(costed, "tokens", part);
  const usd = compare(costed, "usd", part);
  const worst =
    [tokens, usd].map(({ reason }) => reason).sort((left, right) => rankOf(left) - rankOf(right))[0] ?? null;
  const all = { spread: null, median: null, fraction: null, reason: worst };
  return Object.fromEntries(
    Object.entries({ tokens, usd, all }).map(([channel, row]) => [
      channel,
      {
        ...row,
        channel,
        verdict: verdictOf(row.reason),
        tolerance: formatAmount(part),
        arms: armsOf(costed, channel as Channel),
        plan: null,
      },
    ]),
  );
}

function rankOf(reason: string | null): number {
  return reason === null ? REASONS.length : REASONS.indexOf(reason);
}

function verdictOf(reason: string | null): string {
  if (reason === null) return "equal";
  return rankOf(reason) < 4 ? "inconclusive" : "unequal";
}

/** A task and replicate; none is a value of its own. */
function cellOf({ task, replicate }: Run): string {
  return JSON.stringify([task, replicate]);
}

function costOf(state: State, run: Run, infra: ReadonlySet<string>): CostedRun {
  const root = nodeOf(state, run.id);
  const events = eventsBelow(state, root);
  const usage = sumOfUsage(events.map(({ charge }) => charge.usage));
  const paired = infra.has(cellOf(run)) ? "paired" : null;
  const unsure = (channel: string) =>
    events
      .filter(({ charge }) => {
        const moved = charge.movements.get(channel);
        return moved !== undefined && (moved.unknown > 0 || moved.uncertain > 0n);
      })
      .map(({ nodeId, poolId }) => nodeId ?? poolId);
  return {
    run,
    leftOut: run.infra ? "infra" : paired,
    unit: poolOf(state, run.id).tokenCharge,
    amounts: { tokens: usage.chargedTokens, usd: usage.usd ?? 0n, iterations: usage.iterations, ms: usage.ms },
    open: holdsOf(state, root),
    unsure: { tokens: unsure("tokens"), usd: unsure("usd") },
  };
}

/** Nodes whose hold is not given back: below the run, and the run itself where it is a hold of a pool above. */
function holdsOf(state: State, root: Node): string[] {
  return [...state.nodes.values()].filter((node) => isOpen(node) && isBelow(state, node, root)).map(({ id }) => id);
}

function isBelow(state: State, node: Node, root: Node): boolean {
  if (node.poolId === null) return false;
  return node.id === root.id || node.poolId === root.id || isBelow(state, nodeOf(state, node.poolId), root);
}

interface Comparison {
  readonly spread: string | null;
  readonly median: string | null;
  readonly fraction: string | null;
  readonly reason: string | null;
}

function compare(runs: readonly CostedRun[], channel: "tokens" | "usd", tolerance: Amount): Comparison {
  const kept = runs.filter(({ leftOut }) => leftOut === null);
  const byArm = namesOf(runs).map((arm) => kept.filter(({ run }) => run.arm === arm));
  const costs = byArm.map((ofArm) => ofArm.reduce((sum, { amounts }) => sum + amounts[channel], 0n));
  costs.sort((left, right) => (left < right ? -1 : Number(left > right)));
  const spread = (costs.at(-1) ?? 0n) - (costs[0] ?? 0n);
  // Twice the median, which is whole where the median need not be.
  const twice = (costs[(costs.length - 1) >> 1] ?? 0n) + (costs[costs.length >> 1] ?? 0n);
  const cells = new Set(kept.map(({ run }) => cellOf(run))).size;
  const mixed = channel === "tokens" && new Set(kept.map(({ unit }) => unit)).size > 1;
  const applies = [
    kept.some(({ open }) => open.length > 0),
    kept.some(({ unsure }) => unsure[channel].length > 0),
    byArm.some((ofArm) => new Set(ofArm.map(({ run }) => cellOf(run))).size !== cells),
    mixed,
    twice === 0n && spread > 0n,
    2n * spread * UNIT > tolerance * twice,
  ];
  const reason = REASONS[applies.indexOf(true)] ?? null;
  if (mixed) return { spread: null, median: null, fraction: null, reason };
  const rounded = twice === 0n ? null : (4n * spread * UNIT + twice) / (2n * twice);
  return {
    spread: formatAmount(spread),
    median: halfOf(twice),
    fraction: rounded === null ? null : formatAmount(rounded),
    reason,
  };
}

/** Half of an amount, which may need one decimal more. */
function halfOf(amount: Amount): string {
  if (amount % 2n === 0n) return formatAmount(amount / 2n);
  const digits = (amount * 5n).toString().padStart(14, "0");
  return `${digits.slice(0, -13)}.${digits.slice(-13)}`;
}

function namesOf(runs: readonly CostedRun[]): string[] {
  return [...new Set(runs.map(({ run }) => run.arm))].sort();
}

function armsOf(runs: readonly CostedRun[], channel: Channel): Row[] {
  return namesOf(runs).map((arm) => {
    const ofArm = runs.filter(({ run }) => run.arm === arm);
    const kept = ofArm.filter(({ leftOut }) => leftOut === null);
    const unsure = kept.flatMap(({ unsure: { tokens, usd } }) => [
      ...(channel === "usd" ? [] : tokens),
      ...(channel === "tokens" ? [] : usd),
    ]);
    const nodes = [...new Set([...kept.flatMap(({ open }) => open), ...unsure])].sort();
    const leftOut = ofArm
      .filter((one) => one.leftOut !== null)
      .sort((left, right) => (left.run.id < right.run.id ? -1 : 1))
      .map((one) => ({
        run_id: one.run.id,
        task: one.run.task,
        replicate: one.run.replicate,
        reason: one.leftOut,
        cost: shown([one], channel),
      }));
    return {
      arm,
      runs: kept.length,
      cost: shown(kept, channel),
      open_holds: kept.reduce((sum, { open }) => sum + open.length, 0),
      nodes: nodes.slice(0, 100),
      nodes_total: nodes.length,
      left_out: leftOut,
    };
  });
}

function shown(runs: readonly CostedRun[], channel: Channel): unknown {
  const total = (name: keyof CostedRun["amounts"]) =>
    formatAmount(runs.reduce((sum, { amounts }) => sum + amounts[name], 0n));
  if (channel !== "all") return total(channel);
  return { tokens: total("tokens"), usd: total("usd"), iterations: total("iterations"), ms: total("ms") };
}
