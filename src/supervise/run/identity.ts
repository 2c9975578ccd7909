/** Whether a run that is there is the run that is asked for: its first totals, and what it says of itself. Tags are not compared. */
import { canonicalDecimal } from "../../ledger/amounts.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { OpenedRun } from "./opening.js";
import type { CheckedRun } from "./run-options.js";

/** Every pool's first row is that of its opening. */
const OPENED = "1";

/** One thing that is not as it was; `none` where it was, or is, not stated. */
export interface Difference {
  readonly path: string;
  readonly was: string;
  readonly asked: string;
}

/** All that is asked for otherwise than the run was opened with, budgets first. Later funding is no difference. */
export async function differences(ledger: Ledger, found: OpenedRun, asked: CheckedRun): Promise<Difference[]> {
  const { runId, budget, deadlineMs, maxDepth, unknownUsd, tokenCharge } = asked;
  const totals = await openedTotals(ledger, runId);
  const channels = [...new Set([...Object.keys(budget), ...totals.keys()])];
  const deadline = deadlineMs === undefined ? undefined : found.opened_at.getTime() + deadlineMs;
  const depthAbove = found.depth_above === null ? undefined : found.depth_above - 1;
  const pairs: [path: string, was: unknown, asked: unknown][] = [
    ...channels.map((name): [string, unknown, unknown] => [
      `budget.${name}`,
      totals.get(name),
      budget[name] === undefined ? undefined : canonicalDecimal(budget[name]),
    ]),
    ["label", found.label, asked.label ?? runId],
    ["experiment", found.experiment, asked.experiment],
    ["arm", found.arm, asked.arm],
    ["task", found.task, asked.task],
    ["replicate", found.replicate, asked.replicate],
    ["parentPoolId", found.parent_node_id, asked.parentPoolId],
    ["unknownUsd", found.unknown_usd, unknownUsd ?? found.unknown_usd],
    ["tokenCharge", found.token_charge, tokenCharge ?? found.token_charge],
    ["deadlineMs", durationTo(found, found.deadline_at?.getTime()), durationTo(found, strictest(found, deadline))],
    ["maxDepth", found.depth_left, depthAbove === undefined ? maxDepth : Math.min(maxDepth, depthAbove)],
  ];
  const texts = pairs.map(([path, was, is]) => ({ path, was: text(was), asked: text(is) }));
  return texts.filter((pair) => pair.was !== pair.asked);
}

/** Totals of capped channels as the pool was opened. */
async function openedTotals(ledger: Ledger, poolId: string): Promise<Map<string, string>> {
  const query = ledger.db
    .selectFrom("channels as channel")
    .leftJoin("postings as posting", (join) =>
      join
        .onRef("posting.tenant_id", "=", "channel.tenant_id")
        .onRef("posting.pool_id", "=", "channel.pool_id")
        .onRef("posting.channel", "=", "channel.channel")
        .on("posting.seq", "=", OPENED),
    )
    .where("channel.tenant_id", "=", ledger.tenantId)
    .where("channel.pool_id", "=", poolId)
    .where("channel.capped", "=", true)
    .select(["channel.channel", "posting.funded"]);
  const rows = await ledger.read(() => query.execute());
  return new Map(rows.map(({ channel, funded }) => [channel, funded ?? "0"]));
}

function strictest(found: OpenedRun, deadline: number | undefined): number | undefined {
  const above = found.deadline_above?.getTime();
  return above === undefined ? deadline : Math.min(deadline ?? above, above);
}

function durationTo(found: OpenedRun, instant: number | undefined): number | undefined {
  return instant === undefined ? undefined : instant - found.opened_at.getTime();
}

function text(value: unknown): string {
  return value === undefined || value === null ? "none" : String(value);
}
