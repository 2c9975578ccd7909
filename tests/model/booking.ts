/**
 * Booking: an amount goes to its own pool, to whoever pays there, and out of closed pools further up.
 */
import { bookedIn, channelFor, keepNothing } from "./channels.js";
import { change, moves } from "./movements.js";
import { type Context, lineage, type Movement, type Movements, type Pool, poolOf, writeRow } from "./state.js";

/** A row about to be written in one pool. */
interface Entry {
  readonly kind: string;
  readonly nodeId: string | null;
  readonly movements: Movements;
  /** Channels on which somebody else may have to pay for this row. */
  readonly drawable: ReadonlySet<string>;
}

/** Books an event, or the change of one, where it happened. Answers with the `seq` of its own row. */
export function bookEvent(
  context: Context,
  pool: Pool,
  kind: string,
  nodeId: string | null,
  movements: Movements,
): number {
  return bookFrom(context, pool, { kind, nodeId, movements, drawable: new Set(movements.keys()) });
}

/** Books in the parent what a child pool that ends has committed. */
export function bookTransfer(context: Context, child: Pool, parent: Pool, kind: string, movements: Movements): number {
  return bookFrom(context, parent, transfer(child, parent, kind, movements));
}

/**
 * What the parent books for a child pool. Where the parent itself pays it was drawn live, and is not booked again;
 * only what the child paid out of its own cap is news to whoever pays for the parent.
 */
function transfer(child: Pool, parent: Pool, kind: string, movements: Movements): Entry {
  const payer = (name: string) => child.channels.get(name)?.payer ?? null;
  const passed = [...movements].filter(([name, movement]) => payer(name) !== parent.id && moves(movement));
  return {
    kind,
    nodeId: child.id,
    movements: new Map(passed),
    drawable: new Set([...movements.keys()].filter((name) => payer(name) === child.id)),
  };
}

/** Writes the entry, then walks up: payers get their `drawn` rows, closed pools hand on how they changed. */
function bookFrom(context: Context, start: Pool, first: Entry): number {
  const waiting = new Map<string, Entry[]>([[start.id, [first]]]);
  const own = start.seq + 1;
  for (const pool of lineage(context.state, start)) {
    const entries = waiting.get(pool.id) ?? [];
    if (entries.length === 0) continue;
    const before = bookedIn(pool);
    for (const entry of entries) {
      writeEntry(context, pool, entry);
      for (const [payerId, drawn] of draws(pool, entry)) push(waiting, payerId, drawn);
    }
    if (pool.state !== "closed" || pool.parentId === null) continue;
    keepNothing(pool);
    const late = change(before, bookedIn(pool));
    const parent = poolOf(context.state, pool.parentId);
    push(waiting, parent.id, transfer(pool, parent, "corrected", late));
  }
  return own;
}

function writeEntry(context: Context, pool: Pool, entry: Entry): void {
  writeRow(context, pool, entry.kind, entry.nodeId);
  for (const [name, movement] of entry.movements) {
    const channel = channelFor(pool, name);
    channel.spent += movement.spent;
    channel.uncertain += movement.uncertain;
    channel.unknown += movement.unknown;
    if (channel.payer === pool.id && pool.unknownUsd === "seal") channel.seals += movement.seals;
  }
}

/** The `drawn` entries that a row causes, one per payer above. */
function draws(pool: Pool, entry: Entry): Map<string, Entry> {
  const shares = new Map<string, Map<string, Movement>>();
  for (const [name, movement] of entry.movements) {
    const payer = pool.channels.get(name)?.payer ?? null;
    if (payer === null || payer === pool.id || !entry.drawable.has(name)) continue;
    const share = shares.get(payer) ?? new Map();
    shares.set(payer, share.set(name, movement));
  }
  const drawn = [...shares].filter(([, movements]) => [...movements.values()].some(moves));
  return new Map(
    drawn.map(([payer, movements]) => [
      payer,
      { kind: "drawn", nodeId: entry.nodeId, movements, drawable: new Set<string>() },
    ]),
  );
}

function push(waiting: Map<string, Entry[]>, poolId: string, entry: Entry): void {
  waiting.set(poolId, [...(waiting.get(poolId) ?? []), entry]);
}
