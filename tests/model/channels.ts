/**
 * Balances: what a channel shows, derived from what was funded, held and booked.
 */
import type { Amount } from "./amounts.js";
import type { Channel, Movements, Pool } from "./state.js";

/** A channel as `ledger.channels` shows it. */
export interface Balance {
  readonly total: Amount | null;
  readonly free: Amount | null;
  readonly reserved: Amount;
  readonly committed: Amount;
  readonly uncertain: Amount;
}

const FIRST = ["tokens", "iterations", "usd"];

/** Orders channel names: tokens, iterations, usd, then resources by name. */
export function byChannel(left: string, right: string): number {
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  if (rank(left) !== rank(right)) return rank(left) - rank(right);
  return left < right ? -1 : left > right ? 1 : 0;
}

export function newChannel(name: string, total: Amount | undefined, payer: string | null): Channel {
  return {
    name,
    capped: total !== undefined,
    payer,
    total: total ?? 0n,
    reserved: 0n,
    spent: 0n,
    uncertain: 0n,
    unknown: 0,
    seals: 0,
  };
}

/** What a seal adds: everything neither held nor known to be spent. */
export function remainder(channel: Channel): Amount {
  if (channel.seals === 0) return 0n;
  const left = channel.total - channel.reserved - channel.spent;
  return left > 0n ? left : 0n;
}

export function balanceOf(channel: Channel): Balance {
  const sealedAway = remainder(channel);
  const committed = channel.spent + sealedAway;
  const { total, reserved } = channel;
  return {
    total: channel.capped ? total : null,
    free: channel.capped ? total - reserved - committed : null,
    reserved,
    committed,
    uncertain: channel.uncertain + sealedAway,
  };
}

/** What a capped channel has left; may be negative. */
export function freeOf(channel: Channel): Amount {
  return balanceOf(channel).free ?? 0n;
}

/** The pool's row of that channel; a resource it lacks becomes an uncapped row that nobody pays. */
export function channelFor(pool: Pool, name: string): Channel {
  const known = pool.channels.get(name);
  if (known !== undefined) return known;
  const added = newChannel(name, undefined, null);
  pool.channels.set(name, added);
  return added;
}

/** A closed pool under a parent keeps nothing: its total is what it committed. */
export function keepNothing(pool: Pool): void {
  for (const channel of pool.channels.values()) {
    if (!channel.capped) continue;
    const eaten = channel.seals > 0 && channel.spent < channel.total;
    channel.total = eaten ? channel.total : channel.spent;
  }
}

/** Everything booked in a pool, the remainder of a seal included, as movements. */
export function bookedIn(pool: Pool): Movements {
  return new Map(
    [...pool.channels.values()].map((channel) => {
      const { committed, uncertain } = balanceOf(channel);
      return [channel.name, { spent: committed, uncertain, unknown: channel.unknown, seals: 0 }];
    }),
  );
}
