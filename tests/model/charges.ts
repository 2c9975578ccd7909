/**
 * Charges: what a spend costs a pool, under its charge unit and the ceilings the node declared.
 */
import { type Amount, formatAmount } from "./amounts.js";
import { byChannel } from "./channels.js";
import type { Spend } from "./spends.js";
import type { Charge, Movement, TokenCharge, Usage } from "./state.js";
import { NO_USAGE } from "./usage.js";

/** What the tokens of a spend cost in that charge unit. */
export function chargedTokens(spend: Spend, unit: TokenCharge): Amount {
  const cached = unit === "uncached" ? spend.cacheReadTokens : 0n;
  return spend.inputTokens - cached + spend.outputTokens;
}

/** Evaluates a spend for a pool's charge unit and the ceilings its node declared. */
export function chargeFor(spend: Spend, unit: TokenCharge, declared: ReadonlyMap<string, Amount>): Charge {
  const tokens = chargedTokens(spend, unit);
  const dollars = dollarsOf(spend, declared.get("usd"));
  const movements = new Map<string, Movement>([
    ["tokens", { ...known(tokens), unknown: spend.tokensKnown ? 0 : 1 }],
    ["iterations", known(spend.iterations)],
    ["usd", dollars.movement],
    ...[...spend.resources].map(([name, amount]): [string, Movement] => [name, known(amount)]),
  ]);
  return { usage: { ...spend, chargedTokens: tokens, usd: dollars.usd }, movements };
}

function dollarsOf(spend: Spend, ceiling: Amount | undefined): { usd: Amount | null; movement: Movement } {
  if (spend.usdKnown) return { usd: spend.usd, movement: known(spend.usd ?? 0n) };
  const usd = spend.usd ?? ceiling ?? null;
  return { usd, movement: { ...unreceipted(usd ?? 0n), seals: usd === null ? 1 : 0 } };
}

function known(spent: Amount): Movement {
  return { spent, uncertain: 0n, unknown: 0, seals: 0 };
}

/** An amount charged without a receipt. */
function unreceipted(spent: Amount): Movement {
  return { spent, uncertain: spent, unknown: 1, seals: 0 };
}

/** Nothing was consumed, and that is known. */
export function nothingSpent(): Charge {
  return chargeFor(NO_USAGE, "total", new Map());
}

/** Nobody said what was consumed: the declared ceilings, all of them uncertain. */
export function ceilingsSpent(declared: ReadonlyMap<string, Amount>): Charge {
  const resources = [...declared].filter(([name]) => byChannel(name, "usd") > 0);
  const ceiling = (name: string) => declared.get(name) ?? 0n;
  const usd = declared.get("usd") ?? null;
  const movements = new Map<string, Movement>([
    ["tokens", unreceipted(ceiling("tokens"))],
    ["iterations", unreceipted(ceiling("iterations"))],
    ["usd", { ...unreceipted(usd ?? 0n), seals: usd === null ? 1 : 0 }],
    ...resources.map(([name, amount]): [string, Movement] => [name, unreceipted(amount)]),
  ]);
  const usage: Usage = {
    ...NO_USAGE,
    iterations: ceiling("iterations"),
    chargedTokens: ceiling("tokens"),
    usd,
    tokensKnown: false,
    usdKnown: false,
    resources: new Map(resources),
  };
  return { usage, movements };
}

/** A ceiling that was passed. */
export interface Violation {
  readonly channel: string;
  readonly reserved: string;
  readonly spent: string;
}

/** Where the spend passed what was declared, in channel order. */
export function violationsOf(declared: ReadonlyMap<string, Amount>, spentOn: (channel: string) => Amount): Violation[] {
  return [...declared]
    .filter(([channel, ceiling]) => spentOn(channel) > ceiling)
    .sort(([left], [right]) => byChannel(left, right))
    .map(([channel, ceiling]) => ({
      channel,
      reserved: formatAmount(ceiling),
      spent: formatAmount(spentOn(channel)),
    }));
}
