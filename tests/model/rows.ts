/**
 * The model's state as the views of the database spell it.
 */
import { type Amount, formatAmount } from "./amounts.js";
import { balanceOf } from "./channels.js";
import type { Report, TrajectoryRow } from "./reports.js";
import type { Channel } from "./state.js";

type Row = Record<string, unknown>;

/** A row of `ledger.channels`. */
export function channelRow(channel: Channel): Row {
  const balance = balanceOf(channel);
  const orNull = (amount: Amount | null) => (amount === null ? null : formatAmount(amount));
  return {
    channel: channel.name,
    capped: channel.capped,
    total: orNull(balance.total),
    free: orNull(balance.free),
    reserved: formatAmount(balance.reserved),
    committed: formatAmount(balance.committed),
    uncertain: formatAmount(balance.uncertain),
    measured: channel.unknown === 0,
    sealed: channel.seals > 0,
    payer_pool_id: channel.payer,
  };
}

/** A row of `ledger.spent_breakdown`. */
export function breakdownRow(report: Report): Row {
  const { tokensKnown, usdKnown } = report.usage;
  return { ...quantities(report), tokens_known: tokensKnown, usd_known: usdKnown };
}

/** A row of `ledger.trajectory`. */
export function trajectoryRow({ node, depth, own, rolledUp }: TrajectoryRow): Row {
  return {
    node_id: node.id,
    // What a run below another pool shows as its parent is not for the model to say.
    ...(depth === 0 ? {} : { parent_node_id: node.poolId }),
    depth,
    label: node.label,
    status: node.status,
    ...prefixed("own_", quantities(own)),
    ...prefixed("rolled_up_", quantities(rolledUp)),
    rolled_up_tokens_known: rolledUp.usage.tokensKnown,
    rolled_up_usd_known: rolledUp.usage.usdKnown,
  };
}

function quantities(report: Report): Row {
  const { usage } = report;
  const amounts: Record<string, Amount> = {
    iterations: usage.iterations,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    reasoning_tokens: usage.reasoningTokens,
    charged_tokens: usage.chargedTokens,
    usd: usage.usd ?? 0n,
    ms: usage.ms,
    uncertain_tokens: report.uncertainTokens,
    uncertain_iterations: report.uncertainIterations,
    uncertain_usd: report.uncertainUsd,
  };
  return Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, formatAmount(amount)]));
}

function prefixed(prefix: string, row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [prefix + name, value]));
}
