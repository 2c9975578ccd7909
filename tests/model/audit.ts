/**
 * What must hold in the model at every moment, whatever came before.
 */
import { type Amount, formatAmount } from "./amounts.js";
import { balanceOf, remainder } from "./channels.js";
import { eventsBelow } from "./reports.js";
import { type Channel, childrenOf, isOpen, lineage, nodeOf, type Pool, type State } from "./state.js";

/** A rule that does not hold, as `ledger.audit` would report it. */
export interface Finding {
  readonly pool_id: string;
  readonly rule: string;
  readonly detail: string;
}

/** Everything that is wrong; nothing when the model is sound. */
export function auditOf(state: State): Finding[] {
  return [...state.pools.values()].flatMap((pool) => [
    ...denseSeq(state, pool),
    ...[...pool.channels.values()].flatMap((channel) => auditChannel(state, pool, channel)),
  ]);
}

function denseSeq(state: State, pool: Pool): Finding[] {
  const seqs = state.journal.filter((row) => row.poolId === pool.id).map((row) => row.seq);
  const dense = seqs.every((seq, index) => seq === index + 1) && seqs.length === pool.seq;
  return dense ? [] : [{ pool_id: pool.id, rule: "dense-seq", detail: seqs.join(" ") }];
}

function auditChannel(state: State, pool: Pool, channel: Channel): Finding[] {
  const findings: Finding[] = [];
  const report = (rule: string, seen: Amount, wanted: Amount) => {
    if (seen === wanted) return;
    const detail = `${channel.name}: ${formatAmount(seen)} instead of ${formatAmount(wanted)}`;
    findings.push({ pool_id: pool.id, rule, detail });
  };
  const { total, free, reserved, committed, uncertain } = balanceOf(channel);
  report("reserved-is-open-holds", reserved, openHolds(state, pool, channel));
  if (uncertain < 0n || uncertain > committed) report("uncertain-part", uncertain, committed);
  if (total !== null && free !== null) report("conserved", total, free + reserved + committed);
  const parent = pool.parentId === null ? undefined : state.pools.get(pool.parentId);
  if (parent?.channels.get(channel.name)?.capped === true && channel.capped) {
    const held = nodeOf(state, pool.id).declared.get(channel.name) ?? 0n;
    report("child-total", total ?? 0n, pool.state === "closed" ? committed : held);
  }
  report("rolled-up", bookedOnce(state, pool, channel.name), spentBelow(state, pool, channel.name));
  return findings;
}

/** What all events in and below the pool spent. */
function spentBelow(state: State, pool: Pool, name: string): Amount {
  return eventsBelow(state, nodeOf(state, pool.id)).reduce(
    (sum, { charge }) => sum + (charge.movements.get(name)?.spent ?? 0n),
    0n,
  );
}

/**
 * The same from the balances: what the pool booked, and what open pools below booked that has not reached it. The
 * remainder of a seal that a closed pool handed up is nobody's spend.
 */
function bookedOnce(state: State, pool: Pool, name: string): Amount {
  const above = new Set(
    lineage(state, pool)
      .slice(1)
      .map(({ id }) => id),
  );
  let sum = pool.channels.get(name)?.spent ?? 0n;
  for (const other of state.pools.values()) {
    const channel = other.channels.get(name);
    if (other === pool || channel === undefined) continue;
    if (!lineage(state, other).includes(pool)) continue;
    const { payer } = channel;
    const unseen = payer === null || payer === other.id || above.has(payer);
    if (other.state !== "closed" && unseen) sum += channel.spent;
    if (other.state === "closed") sum -= remainder(channel);
  }
  return sum;
}

function openHolds(state: State, pool: Pool, channel: Channel): Amount {
  if (!channel.capped) return 0n;
  return childrenOf(state, pool.id)
    .filter(isOpen)
    .reduce((sum, node) => sum + (node.declared.get(channel.name) ?? 0n), 0n);
}
