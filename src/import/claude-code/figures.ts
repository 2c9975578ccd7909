/**
 * Sums of usage, and how they are written as a spend of the ledger. Dollars are never known here: files hold no receipts, and what a
 * book of prices says is the ledger's to work out.
 */
import type { Call } from "./calls.js";
import { promptTokens, type Usage } from "./shapes.js";

/** Counted usage. `input` is the whole prompt, its cached parts included. */
export interface Figures {
  readonly iterations: number;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** The part of `cacheWrite` that was asked to be kept for an hour. */
  readonly cacheWrite1h: number;
}

/** Figures, and whether they are all of it: a call without usage makes them a lower bound. */
export interface Measured extends Figures {
  readonly known: boolean;
}

export const PROVIDER = { provider: "anthropic" };

export const NOTHING: Figures = { iterations: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cacheWrite1h: 0 };

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
    cacheWrite1h: keptForAnHour(usage),
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
    cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
  };
}

/** Whether every field is the same. */
export function same(a: Figures, b: Figures): boolean {
  return (
    a.iterations === b.iterations &&
    a.input === b.input &&
    a.output === b.output &&
    a.cacheRead === b.cacheRead &&
    a.cacheWrite === b.cacheWrite &&
    a.cacheWrite1h === b.cacheWrite1h
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
    ...(figures.cacheWrite1h > 0 && { cache_write_1h_tokens: figures.cacheWrite1h }),
    tokens_known: figures.known,
    ...(dollars ?? { usd_known: false }),
  };
}

/** Lines of the ledger's JSON, one per model; either all of them name dollars or none. */
export function linesByModel(
  models: ReadonlyMap<string, Measured>,
  dollars?: ReadonlyMap<string, Dollars>,
): Record<string, unknown>[] {
  return [...models].map(([model, figures]) => ({ ...PROVIDER, model, ...spendOf(figures, dollars?.get(model)) }));
}

/** Calls that are one line, and what it is called. */
interface NamedCalls {
  readonly names: Readonly<Record<string, string>>;
  readonly calls: Call[];
}

/** The ledger takes up to so many lines with one settlement. */
const LINES = 1_000;

/**
 * Lines without dollars: one per call, because what a call costs can depend on its size; where they are too many, one per model.
 * A correction finds the line of a call by its request id; calls without one are one line per model.
 */
export function linesOf(calls: readonly Call[]): Record<string, unknown>[] {
  const lines = new Map<string, NamedCalls>();
  for (const call of calls) {
    const { requestId } = call;
    const model = call.model ?? UNNAMED;
    const names = { model, ...(requestId !== undefined && { provider_request_id: requestId }) };
    const key = JSON.stringify(names);
    const line: NamedCalls = lines.get(key) ?? { names, calls: [] };
    line.calls.push(call);
    lines.set(key, line);
  }
  if (lines.size > LINES) return linesByModel(byModel(calls));
  return [...lines.values()].map(({ names, calls: some }) => ({ ...PROVIDER, ...names, ...spendOf(sumOf(some)) }));
}

/** What of the tokens written to the cache is to be kept for an hour: never more than was written. */
function keptForAnHour({ cache_creation: kept, cache_creation_input_tokens: written }: Usage): number {
  const tokens = kept?.ephemeral_1h_input_tokens;
  return Number.isSafeInteger(tokens) && Number(tokens) > 0 ? Math.min(Number(tokens), written ?? 0) : 0;
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
