/** Sums of usage, and how they are written as a spend of the ledger. Dollars are never known here: files hold no receipts. */
import type { Call } from "./calls.js";
import { promptTokens, type Usage } from "./shapes.js";

/** Counted usage. `input` is the whole prompt, its cached parts included. */
export interface Figures {
  readonly iterations: number;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/** Figures, and whether they are all of it: a call without usage makes them a lower bound. */
export interface Measured extends Figures {
  readonly known: boolean;
}

export const PROVIDER = { provider: "anthropic" };

export const NOTHING: Figures = { iterations: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

/** What a call used, counting as so many iterations: a driver's turn is none, a child's call is one. */
export function figuresOf(call: Call, iterations: number): Measured {
  const { usage } = call;
  if (usage === undefined) return { ...NOTHING, iterations, known: false };
  return {
    iterations,
    input: promptTokens(usage),
    output: usage.output_tokens,
    cacheRead: usage.cache_read_input_tokens ?? 0,
    cacheWrite: usage.cache_creation_input_tokens ?? 0,
    known: true,
  };
}

/** Field by field. */
export function add(a: Figures, b: Figures): Figures {
  return {
    iterations: a.iterations + b.iterations,
    input: a.input + b.input,
    output: a.output + b.output,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite: a.cacheWrite + b.cacheWrite,
  };
}

/** Whether every field is the same. */
export function same(a: Figures, b: Figures): boolean {
  return (
    a.iterations === b.iterations &&
    a.input === b.input &&
    a.output === b.output &&
    a.cacheRead === b.cacheRead &&
    a.cacheWrite === b.cacheWrite
  );
}

/** The sum of a child's calls. */
export function sumOf(calls: readonly Call[]): Measured {
  return calls
    .map((call) => figuresOf(call, 1))
    .reduce<Measured>((sum, next) => ({ ...add(sum, next), known: sum.known && next.known }), {
      ...NOTHING,
      known: true,
    });
}

/** Stands for the model of calls that name none, where others of the same child do: a line without a model would get theirs. */
export const UNNAMED = "unknown";

/** Calls by model, in the order in which the models came up. */
export function byModel(calls: readonly Call[]): Map<string, Measured> {
  const groups = new Map<string, Call[]>();
  for (const call of calls) {
    const model = call.model ?? UNNAMED;
    groups.set(model, [...(groups.get(model) ?? []), call]);
  }
  return new Map([...groups].map(([model, group]) => [model, sumOf(group)]));
}

/** Dollars somebody else has booked. */
export interface Dollars {
  readonly usd: string;
  readonly usd_known: boolean;
}

/** The spend of the ledger's JSON. */
export function spendOf(figures: Measured, dollars?: Dollars): Record<string, unknown> {
  return {
    iterations: figures.iterations,
    input_tokens: figures.input,
    output_tokens: figures.output,
    cache_read_tokens: figures.cacheRead,
    cache_write_tokens: figures.cacheWrite,
    tokens_known: figures.known,
    ...(dollars ?? { usd_known: false }),
  };
}

/** Lines of the ledger's JSON, one per model; either all of them name dollars or none. */
export function linesOf(
  models: ReadonlyMap<string, Measured>,
  dollars?: ReadonlyMap<string, Dollars>,
): Record<string, unknown>[] {
  return [...models].map(([model, figures]) => ({ ...PROVIDER, model, ...spendOf(figures, dollars?.get(model)) }));
}

/** What a price depends on beyond the counts: tier, speed, place, how long the cache was asked to keep, tools the provider ran. */
export function priceDetail(usage: Usage | undefined): Record<string, unknown> {
  if (usage === undefined) return {};
  const { service_tier, speed, inference_geo } = usage;
  const counts = Object.entries({ cache_creation: usage.cache_creation, server_tool_use: usage.server_tool_use })
    .map(([name, of]) => [name, Object.fromEntries(Object.entries(of ?? {}).filter(isCount))] as const)
    .filter(([, of]) => Object.keys(of).length > 0);
  const words = Object.entries({ service_tier, speed, inference_geo }).filter(([, word]) => word !== undefined);
  return Object.fromEntries([...words, ...counts]);
}

/** Up to a few counts of a provider: anything else in their place is not for the ledger. */
function isCount([name, value]: [string, unknown], index: number): boolean {
  return index < 20 && /^[a-z0-9_]{1,64}$/.test(name) && Number.isSafeInteger(value) && Number(value) >= 0;
}
