/**
 * Spends of random histories, as operations state them: who was called, what it cost, and the lines that add up to it.
 */
import { type Amount, formatAmount, whole } from "../model/amounts.js";
import { PROVIDER } from "../model/prices.js";
import type { RoughSpend } from "./commands.js";

type Draft = Record<string, unknown>;

/** Dollars of two decimals; every seventh amount also uses the last of the twelve. */
export function cents(count: number): Amount {
  return whole(count) / 100n + (count % 7 === 3 ? 1n : 0n);
}

/** Models as calls name them; the last one has no price. */
const MODELS = ["large", "small", "free", "huge"];

/** Who was called; now and then nobody says. */
export function called(rough: RoughSpend): Draft {
  return rough.ms % 5 === 0 ? {} : { provider: PROVIDER, model: MODELS[rough.ms % MODELS.length] };
}

/** The tools that a call asked for, by name or more, and what became of others; mostly none. */
export function tools(rough: RoughSpend): Draft {
  const id = `t${rough.input % 5}`;
  const known = { name: "read", id, arguments: `sha256:${"0".repeat(64)}`, status: "ok" };
  const results = { tool_results: [{ id, status: "error" }], detail: { of: id } };
  return {
    ...(rough.output % 4 === 1 && { tool_calls: ["read", known] }),
    ...(rough.output % 7 === 1 && results),
  };
}

/** The `spend` of an operation, and the `lines` it may be split into. */
export function spendKeys(rough: RoughSpend): { spend: Draft; lines?: Draft[] } {
  const spend = spellSpend(rough);
  if (!rough.inLines) return { spend };
  // Mostly one line that is all of it, beside one that is nothing; the model changes from one to the next truth.
  const nothing = { iterations: 0, input_tokens: 0, output_tokens: 0, usd: "0" };
  const one = MODELS[rough.ms % MODELS.length];
  if (rough.dollars !== "receipt" || rough.input < 2) {
    return {
      spend,
      lines: [
        { ...spend, provider: PROVIDER, model: one },
        { ...nothing, model: "small" },
      ],
    };
  }
  const cached = Number(spend.cache_read_tokens) + Number(spend.cache_write_tokens);
  const rest = rough.input - cached;
  return {
    spend,
    lines: [
      { ...spend, input_tokens: cached, model: one },
      { ...nothing, input_tokens: rest, model: "large" },
    ],
  };
}

function spellSpend(rough: RoughSpend): Draft {
  const cacheRead = Math.min(rough.cacheRead, rough.input);
  const cacheWrite = Math.min(rough.cacheWrite, rough.input - cacheRead);
  const usd = formatAmount(cents(rough.usd));
  const dollars = {
    receipt: { usd },
    estimate: { usd, usd_known: false },
    unknown: { usd_known: false },
  }[rough.dollars];
  const resources = Object.entries(rough.resources).map(([name, amount]) => [name, { amount }]);
  return {
    iterations: rough.iterations,
    input_tokens: rough.input,
    output_tokens: rough.output,
    cache_read_tokens: cacheRead,
    cache_write_tokens: cacheWrite,
    ...(rough.cacheWrite % 3 === 0 ? { cache_write_1h_tokens: Math.min(rough.cacheWrite % 7, cacheWrite) } : {}),
    reasoning_tokens: Math.min(rough.reasoning, rough.output),
    ms: rough.ms,
    ...dollars,
    ...(rough.tokensKnown ? {} : { tokens_known: false }),
    ...(resources.length === 0 ? {} : { resources: Object.fromEntries(resources) }),
  };
}
