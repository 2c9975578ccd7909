/**
 * Whether a pool lets a child in, and with which reason it does not.
 */
import { type Amount, formatAmount } from "./amounts.js";
import { byChannel, freeOf } from "./channels.js";
import { Refused, require, type Shortfall } from "./faults.js";
import { type Channel, lineage, type Pool, poolOf, type State } from "./state.js";

/** What a child asks of its pool. */
export interface Ask {
  readonly budget: ReadonlyMap<string, Amount>;
  readonly ownsPool: boolean;
}

/** A cap on rounds or tokens must be answered with a ceiling; a resource must exist to be asked for. */
export function checkCeilings(pool: Pool, budget: ReadonlyMap<string, Amount>): void {
  for (const name of ["tokens", "iterations"]) {
    require(pool.channels.get(name)?.capped !== true || budget.has(name), "LG001");
  }
  for (const name of budget.keys()) require(pool.channels.has(name), "LG001");
}

/** Raises the first refusal that stands whatever room there is. */
export function checkAdmission(state: State, pool: Pool, ask: Ask, at: number): void {
  const refuseIf = (condition: boolean, code: string) => {
    if (condition) throw new Refused(code, pool.id);
  };
  refuseIf(pool.state === "closed", "pool-closed");
  refuseIf(
    lineage(state, pool).some((above) => above.state === "frozen"),
    "pool-frozen",
  );
  refuseIf(pool.deadlineAt !== null && at >= pool.deadlineAt, "deadline-passed");
  refuseIf(ask.ownsPool && pool.depthLeft !== null && pool.depthLeft <= 0, "depth-exceeded");
  const dollars = payerOf(state, pool, "usd");
  refuseIf(dollars !== undefined && dollars.seals > 0, "usd-sealed");
  const uncapped = pool.channels.get("usd")?.capped !== true;
  refuseIf(uncapped && (ask.budget.get("usd") ?? 0n) > 0n, "usd-unbudgeted");
}

/** All channels on which the ask does not fit, in order; what is undeclared wants 0. */
export function shortfallOf(state: State, pool: Pool, ask: Ask): Shortfall[] {
  const short: Shortfall[] = [];
  for (const channel of [...pool.channels.keys()].sort(byChannel)) {
    const payer = payerOf(state, pool, channel);
    if (payer === undefined) continue;
    const wanted = ask.budget.get(channel) ?? 0n;
    const free = freeOf(payer);
    if (wanted > free) {
      short.push({ channel, requested: formatAmount(wanted), free: formatAmount(free) });
    }
  }
  return short;
}

/** The row of whoever pays for that channel of the pool. */
function payerOf(state: State, pool: Pool, name: string): Channel | undefined {
  const payer = pool.channels.get(name)?.payer ?? null;
  return payer === null ? undefined : poolOf(state, payer).channels.get(name);
}
