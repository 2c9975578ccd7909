/**
 * What happens to a pool as a whole: `fund`, `meter`, `deliver`, `freeze`, `thaw`.
 */
import { formatAmount } from "./amounts.js";
import { bookEvent } from "./booking.js";
import { byChannel, freeOf } from "./channels.js";
import { chargeFor } from "./charges.js";
import { Refused, require } from "./faults.js";
import { readSpend } from "./spends.js";
import { type Context, childrenOf, type Pool, type State, writeRow } from "./state.js";
import { amounts, type Json, signedAmountOf } from "./values.js";

type Result = Record<string, unknown>;

function namedPool(state: State, operation: Json): Pool {
  const pool = state.pools.get(operation.pool_id as string);
  require(pool !== undefined, "LG002");
  return pool;
}

export function fund(context: Context, operation: Json): Result {
  const pool = namedPool(context.state, operation);
  require(pool.parentId === null, "LG001");
  const asked = [...amounts(operation.amounts, signedAmountOf)];
  asked.sort(([left], [right]) => byChannel(left, right));
  const moved = asked.map(([name, amount]) => {
    const channel = pool.channels.get(name);
    require(channel?.capped === true, "LG001");
    return { channel, amount };
  });
  if (pool.state === "closed") throw new Refused("pool-closed", pool.id);
  const short = moved.filter(({ channel, amount }) => amount < 0n && freeOf(channel) + amount < 0n);
  if (short.length > 0) {
    const shortfall = short.map(({ channel, amount }) => ({
      channel: channel.name,
      requested: formatAmount(-amount),
      free: formatAmount(freeOf(channel)),
    }));
    throw new Refused("not-free", pool.id, shortfall);
  }
  for (const { channel, amount } of moved) channel.total += amount;
  return { pool_id: pool.id, seq: writeRow(context, pool, "funded", pool.id) };
}

/** A debit of what already happened: never refused, in whatever state the pool is. */
export function meter(context: Context, operation: Json): Result {
  const pool = namedPool(context.state, operation);
  const { events } = context.state;
  const declared = new Map();
  const charge = chargeFor(readSpend(operation.spend), pool.tokenCharge, declared);
  const event = { id: events.length, poolId: pool.id, nodeId: null, declared, charge, lines: [] };
  events.push(event);
  context.events.push(event.id);
  return { pool_id: pool.id, seq: bookEvent(context, pool, "metered", null, charge.movements) };
}

/** Hands out the child whose terminal row is the earliest nobody saw yet. */
export function deliver(context: Context, operation: Json): Result {
  const pool = namedPool(context.state, operation);
  const waiting = childrenOf(context.state, pool.id)
    .filter((node) => node.terminalSeq !== null && !node.delivered)
    .sort((left, right) => (left.terminalSeq ?? 0) - (right.terminalSeq ?? 0));
  const node = waiting[0];
  if (node === undefined) {
    const nothing = { node_id: null, cursor: null, outcome: null, out_ref: null };
    return { pool_id: pool.id, seq: null, ...nothing };
  }
  node.delivered = true;
  const seen = { cursor: pool.cursor, outcome: node.status, out_ref: node.outRef };
  pool.cursor += 1;
  const seq = writeRow(context, pool, "delivered", node.id);
  return { pool_id: pool.id, seq, node_id: node.id, ...seen };
}

export function freeze(context: Context, operation: Json): Result {
  return turn(context, operation, "frozen", "frozen");
}

export function thaw(context: Context, operation: Json): Result {
  return turn(context, operation, "open", "thawed");
}

function turn(context: Context, operation: Json, state: "open" | "frozen", kind: string): Result {
  const pool = namedPool(context.state, operation);
  if (pool.state === "closed") throw new Refused("pool-closed", pool.id);
  if (pool.state === state) return { pool_id: pool.id, seq: null };
  pool.state = state;
  return { pool_id: pool.id, seq: writeRow(context, pool, kind, pool.id) };
}
