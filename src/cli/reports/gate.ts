/** A gate as people read it: the verdict in words, the channels, the arms, what is in the way, what was left out, the plan. */
import type { ArmComparison, GateArm, GateCost, GatePlan, GateReason, GateRow } from "../../ledger/gate-rows.js";
import { amount, dollars, NOTHING, print, printTable, reported } from "../output.js";

const REASONS: Readonly<Record<GateReason, string>> = {
  "open-hold": "something in it has not ended",
  "unknown-usage": "usage is unknown, or charged without a receipt",
  unbalanced: "arms ran different tasks or replicates",
  "mixed-units": "runs count tokens in different units",
  "zero-median": "half of the arms spent nothing",
  "over-tolerance": "the spread is larger than the tolerance allows",
};

/** The row of a channel, or of `all`. */
export function rowOf(rows: readonly GateRow[], channel: GateRow["channel"]): GateRow | undefined {
  return rows.find((row) => row.channel === channel);
}

/** A verdict and why. */
export function inWords({ verdict, reason }: Pick<ArmComparison, "verdict" | "reason">): string {
  return reason === null ? verdict : `${verdict}: ${REASONS[reason]} (${reason})`;
}

/** The three rows of an experiment or of one task. */
export function printGate(title: string, rows: readonly GateRow[]): void {
  const all = rowOf(rows, "all");
  if (!all) return;
  print(`${title}: ${inWords(all)}`);
  printTable(
    `Channels (tolerance ${all.tolerance})`,
    ["channel", "verdict", "reason", "spread", "median", "fraction"],
    rows.map((row) => [
      row.channel,
      row.verdict,
      row.reason ?? NOTHING,
      ...[row.spread, row.median, row.fraction].map((figure) => unsure(amount(figure), row)),
    ]),
    3,
  );
  printTable(
    "Arms, over the runs that count",
    ["arm", "runs", "left out", "open holds", "iterations", "tokens", "usd", "ms"],
    all.arms.map((arm) => [
      arm.arm,
      String(arm.runs),
      String(arm.left_out.length),
      String(arm.open_holds),
      ...costOf(rows, arm),
    ]),
  );
  for (const arm of all.arms) printTrouble(arm);
  const leftOut = all.arms.flatMap((arm) => arm.left_out.map((run) => ({ arm: arm.arm, ...run })));
  if (leftOut.length === 0) return;
  printTable(
    "Left out (an infra run, and every run of the same task and replicate)",
    ["arm", "run", "task", "replicate", "why", "iterations", "tokens", "usd", "ms"],
    leftOut.map((run) => [
      run.arm,
      run.run_id,
      run.task ?? NOTHING,
      run.replicate ?? NOTHING,
      run.reason,
      ...quantities(run.cost),
    ]),
    5,
  );
}

/** Marked where something in it is open or unsure: it is a sum of what is known. */
function unsure(figure: string, { reason }: GateRow): string {
  return figure !== NOTHING && (reason === "open-hold" || reason === "unknown-usage") ? `${figure} ?` : figure;
}

/** The quantities of an arm, each marked by what it rests on. */
function costOf(rows: readonly GateRow[], { arm, cost }: GateArm): string[] {
  if (typeof cost === "string") return quantities(cost);
  const on = (channel: GateRow["channel"]): GateArm | undefined =>
    rowOf(rows, channel)?.arms.find((one) => one.arm === arm);
  const [tokens, usd] = [on("tokens"), on("usd")];
  const spent = { usd: cost.usd, usd_known: usd?.nodes_total === 0, estimated_usd: usd?.estimated ?? "0" };
  return [
    amount(cost.iterations),
    reported(cost.tokens, tokens?.nodes_total === 0),
    dollars({ ...spent, unknown_usd_events: String(usd?.unknown_events ?? 0) }),
    amount(cost.ms),
  ];
}

function quantities(cost: GateCost): string[] {
  if (typeof cost === "string") return [NOTHING, NOTHING, NOTHING, NOTHING];
  return [cost.iterations, cost.tokens, cost.usd, cost.ms].map(amount);
}

function printTrouble({ arm, nodes, nodes_total: total }: GateArm): void {
  if (nodes.length === 0) return;
  const more = total > nodes.length ? `, and ${total - nodes.length} more` : "";
  print(`In the way in arm ${arm}: ${nodes.join(", ")}${more}`);
}

/** What the gate knows of a plan. */
export function printPlan(plan: GatePlan | null): void {
  if (plan === null) {
    print("Plan: none");
    return;
  }
  const when = plan.spend_first
    ? `spend came first (${plan.first_spend_at ?? NOTHING}, before ${plan.registered_at})`
    : `registered before the first spend (${plan.registered_at})`;
  print(`Plan: ${plan.plan_ref}, ${when}`);
}

/** Outcomes of two arms, or why there are none. */
export function printComparison(comparison: ArmComparison): void {
  const { arm_a: a, arm_b: b, outcomes } = comparison;
  if (outcomes === null) {
    print(`Comparison of ${a} and ${b}: refused, because the gate is ${inWords(comparison)}`);
    return;
  }
  printTable(
    "Outcomes (errored runs apart from resolved and unresolved)",
    ["arm", "runs", "errored", "unjudged", "resolved", "rate"],
    [
      [a, outcomes.runs_a, outcomes.errored_a, outcomes.unjudged_a, outcomes.resolved_a, outcomes.rate_a ?? NOTHING],
      [b, outcomes.runs_b, outcomes.errored_b, outcomes.unjudged_b, outcomes.resolved_b, outcomes.rate_b ?? NOTHING],
    ].map((row) => row.map(String)),
  );
  printTable(
    "Pairs of the same task and replicate",
    ["pairs", "both resolved", `only ${a}`, `only ${b}`, "neither", "p (exact sign test)"],
    [
      [
        outcomes.pairs,
        outcomes.both_resolved,
        outcomes.only_a,
        outcomes.only_b,
        outcomes.neither,
        outcomes.p_value,
      ].map(String),
    ],
    0,
  );
}
