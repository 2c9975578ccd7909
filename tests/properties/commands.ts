/**
 * Commands: a random history as plain data. What a command refers to is a number, resolved against the model when the
 * command's turn comes, so that most operations make sense and a failing history shrinks to a short one.
 */
import fc from "fast-check";

/** A ceiling or spend on one channel, relative to what is free where that is interesting. */
export type Size = number | "free" | "more";

/** What is asked for on each channel; a channel left out is undeclared. */
export interface Sizes {
  readonly tokens?: Size;
  readonly iterations?: Size;
  readonly usd?: Size;
  readonly gpu_seconds?: Size;
  readonly api_calls?: Size;
}

/** A spend before its numbers are spelled. */
export interface RoughSpend {
  readonly iterations: number;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  readonly dollars: "receipt" | "estimate" | "unknown";
  readonly usd: number;
  readonly tokensKnown: boolean;
  readonly ms: number;
  readonly resources: Readonly<Record<string, number>>;
  readonly inLines: boolean;
}

export type LeaseLength = "none" | "short" | "long";

type Rough =
  | {
      readonly does: "open_pool";
      readonly below: number | null;
      readonly sizes: Sizes;
      readonly isRun: boolean;
      readonly unknownUsd: "seal" | "flag" | null;
      readonly tokenCharge: "total" | "uncached" | null;
      readonly maxDepth: number | null;
      readonly deadline: LeaseLength;
      readonly careless: boolean;
    }
  | {
      readonly does: "spawn";
      readonly pool: number;
      readonly sizes: Sizes;
      readonly driver: boolean;
      readonly key: number | null;
      readonly task: "own" | "other" | null;
      readonly lease: LeaseLength;
      readonly named: boolean;
      readonly careless: boolean;
    }
  | { readonly does: "dispatch"; readonly node: number }
  | { readonly does: "extend"; readonly node: number; readonly lease: LeaseLength }
  | {
      readonly does: "settle";
      readonly node: number;
      readonly outcome: "done" | "down";
      readonly spend: RoughSpend;
      readonly among: Among;
    }
  | {
      readonly does: "cancel";
      readonly node: number;
      readonly spend: RoughSpend | null;
      readonly among: Among;
    }
  | { readonly does: "meter"; readonly pool: number; readonly spend: RoughSpend; readonly doubt: number | null }
  | { readonly does: "announce"; readonly pool: number; readonly turn: number | null; readonly again: boolean }
  | { readonly does: "correct"; readonly of: number; readonly spend: RoughSpend; readonly careless: boolean }
  | { readonly does: "expire"; readonly pool: number | null }
  | {
      readonly does: "fund";
      readonly pool: number;
      readonly sizes: Sizes;
      readonly back: boolean;
      readonly careless: boolean;
    }
  | { readonly does: "freeze" | "thaw" | "close_pool" | "deliver"; readonly pool: number }
  | { readonly does: "judge"; readonly node: number; readonly careless: boolean }
  | { readonly does: "repeat"; readonly of: number; readonly changed: boolean };

/** Whom a settlement looks for. */
export type Among = "leaves" | "drivers" | "expired" | "all";

export interface Command {
  readonly rough: Rough;
  /** Which way to spoil the operation, if any. */
  readonly spoiled: number | null;
  /** Whether the call ends here. */
  readonly last: boolean;
}

export interface History {
  readonly first: Rough & { readonly does: "open_pool" };
  readonly commands: readonly Command[];
  /** Calls of these numbers are atomic. */
  readonly atomicEvery: number;
  /** Whether calls without a receipt are priced from a book. */
  readonly priced: boolean;
  readonly entryPoint: "submit" | "apply";
}

const index = fc.nat({ max: 999 });
const often = (weight: number) => fc.nat({ max: 99 }).map((roll) => roll < weight);
const careless = often(4);

function size(largest: number): fc.Arbitrary<Size> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.nat({ max: largest }) },
    { weight: 1, arbitrary: fc.constantFrom<Size>("free", "more") },
  );
}

/** `present` is the chance, in percent, that an optional channel is named. */
function sizes(scale: number, present: number): fc.Arbitrary<Sizes> {
  const maybe = (largest: number) =>
    fc.tuple(often(present), size(largest)).map(([named, asked]) => (named ? asked : undefined));
  return fc
    .record({
      tokens: fc.tuple(often(90), size(120 * scale)).map(([named, asked]) => (named ? asked : undefined)),
      iterations: fc.tuple(often(90), size(5 * scale)).map(([named, asked]) => (named ? asked : undefined)),
      usd: maybe(40 * scale),
      gpu_seconds: maybe(20 * scale),
      api_calls: maybe(10 * scale),
    })
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, asked]) => asked !== undefined)) as Sizes);
}

const resources = fc.tuple(often(15), often(8), often(4), fc.nat({ max: 6 })).map(
  ([gpu, api, novel, amount]): Record<string, number> => ({
    ...(gpu ? { gpu_seconds: amount } : {}),
    ...(api ? { api_calls: amount } : {}),
    ...(novel ? { disk_reads: amount } : {}),
  }),
);

const spend: fc.Arbitrary<RoughSpend> = fc.record({
  iterations: fc.nat({ max: 2 }),
  input: fc.nat({ max: 60 }),
  output: fc.nat({ max: 20 }),
  cacheRead: fc.nat({ max: 50 }),
  cacheWrite: fc.nat({ max: 50 }),
  reasoning: fc.nat({ max: 20 }),
  dollars: fc.oneof(
    { weight: 7, arbitrary: fc.constant("receipt" as const) },
    { weight: 1, arbitrary: fc.constant("estimate" as const) },
    { weight: 2, arbitrary: fc.constant("unknown" as const) },
  ),
  usd: fc.nat({ max: 15 }),
  tokensKnown: often(92),
  ms: fc.nat({ max: 5000 }),
  resources,
  inLines: often(20),
});

const lease = fc.oneof(
  { weight: 4, arbitrary: fc.constant<LeaseLength>("none") },
  { weight: 2, arbitrary: fc.constant<LeaseLength>("short") },
  { weight: 1, arbitrary: fc.constant<LeaseLength>("long") },
);

const among = fc.oneof(
  { weight: 20, arbitrary: fc.constant<Among>("leaves") },
  { weight: 10, arbitrary: fc.constant<Among>("drivers") },
  { weight: 3, arbitrary: fc.constant<Among>("expired") },
  { weight: 1, arbitrary: fc.constant<Among>("all") },
);

const openPool = (below: fc.Arbitrary<number | null>, scale: number) =>
  fc.record({
    does: fc.constant("open_pool" as const),
    below,
    sizes: sizes(scale, 60),
    isRun: often(70),
    unknownUsd: fc.constantFrom("seal" as const, "flag" as const, null, null),
    tokenCharge: fc.constantFrom("total" as const, "uncached" as const, null),
    maxDepth: fc.constantFrom(null, null, null, null, null, 0, 1, 2),
    deadline: fc.oneof(
      { weight: 20, arbitrary: fc.constant<LeaseLength>("none") },
      { weight: 1, arbitrary: fc.constantFrom<LeaseLength>("short", "long") },
    ),
    careless,
  });

const spawn = fc.record({
  does: fc.constant("spawn" as const),
  pool: index,
  sizes: sizes(1, 45),
  driver: often(30),
  key: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat({ max: 2 }) }),
  task: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: fc.constant("own" as const) },
    { weight: 1, arbitrary: fc.constant("other" as const) },
  ),
  lease,
  named: often(30),
  careless,
});

const rough: fc.Arbitrary<Rough> = fc.oneof(
  { weight: 34, arbitrary: spawn },
  {
    weight: 15,
    arbitrary: fc.record({
      does: fc.constant("settle" as const),
      node: index,
      outcome: fc.constantFrom("done" as const, "done" as const, "down" as const),
      spend,
      among,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant("cancel" as const),
      node: index,
      spend: fc.option(spend),
      among,
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      does: fc.constant("meter" as const),
      pool: index,
      spend,
      doubt: fc.option(index, { freq: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("announce" as const),
      pool: index,
      turn: fc.option(fc.nat({ max: 9 })),
      again: often(10),
    }),
  },
  { weight: 10, arbitrary: fc.record({ does: fc.constant("correct" as const), of: index, spend, careless }) },
  { weight: 7, arbitrary: fc.record({ does: fc.constant("dispatch" as const), node: index }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("extend" as const), node: index, lease }) },
  { weight: 5, arbitrary: fc.record({ does: fc.constant("expire" as const), pool: fc.option(index) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("fund" as const),
      pool: index,
      sizes: sizes(3, 50),
      back: often(40),
      careless,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constantFrom("deliver" as const), pool: index }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constantFrom("freeze" as const, "thaw" as const, "thaw" as const, "thaw" as const),
      pool: index,
    }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("close_pool" as const), pool: index }) },
  { weight: 4, arbitrary: openPool(fc.option(index, { freq: 4 }), 3) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("judge" as const), node: index, careless }) },
  { weight: 5, arbitrary: fc.record({ does: fc.constant("repeat" as const), of: index, changed: often(30) }) },
);

const command: fc.Arbitrary<Command> = fc.record({
  rough,
  spoiled: fc.oneof({ weight: 24, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat({ max: 99 }) }),
  last: often(45),
});

/** Histories of up to `longest` operations, half as long on average. */
export function histories(longest: number): fc.Arbitrary<History> {
  return fc.record({
    first: openPool(fc.constant(null), 20),
    commands: fc.array(command, { minLength: 1, maxLength: longest, size: "max" }),
    atomicEvery: fc.integer({ min: 4, max: 40 }),
    priced: fc.boolean(),
    entryPoint: fc.constantFrom("submit" as const, "submit" as const, "apply" as const),
  });
}
