/**
 * The truth that comes later: `correct`.
 */
import { bookEvent } from "./booking.js";
import { chargeFor } from "./charges.js";
import { require } from "./faults.js";
import { change } from "./movements.js";
import { readSpend } from "./spends.js";
import { type Context, poolOf } from "./state.js";
import type { Json } from "./values.js";

/** Replaces the spend of the one event that an earlier operation booked; the difference is what moves. */
export function correct(context: Context, operation: Json): Record<string, unknown> {
  const { state } = context;
  const reachable = state.operations.get(operation.of as string)?.events ?? [];
  const event = state.events[reachable[0] ?? -1];
  require(reachable.length === 1 && event !== undefined, "LG001");
  require(operation.pool_id === undefined || operation.pool_id === event.poolId, "LG001");
  const pool = poolOf(state, event.poolId);
  const charge = chargeFor(readSpend(operation.spend), pool.tokenCharge, event.declared);
  const difference = change(event.charge.movements, charge.movements);
  event.charge = charge;
  context.events.push(event.id);
  const seq = bookEvent(context, pool, "corrected", event.nodeId, difference);
  return { pool_id: pool.id, seq };
}
