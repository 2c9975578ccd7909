/**
 * What a grown session changes in what is booked. Files only grow, so the view that holds more is the later one: an import that
 * read less than is booked corrects nothing.
 */
import { sum } from "../../ledger/amounts.js";
import type { Entry, PerModel } from "./booked.js";
import type { Call } from "./calls.js";
import {
  byModel,
  type Dollars,
  type Figures,
  linesByModel,
  linesOf,
  type Measured,
  NOTHING,
  same,
  spendOf,
  sumOf,
  UNNAMED,
} from "./figures.js";

/** A correction without its id, or why there is none although the books differ. */
export type Correction =
  | {
      readonly of: string;
      readonly spend: Readonly<Record<string, unknown>>;
      readonly reason: string;
      readonly tool_calls?: readonly string[];
      readonly lines?: readonly unknown[];
    }
  | { readonly note: string };

const GREW = "session grew";

/** The correction of a call; undefined where nothing is to be done. */
export function correctionOfCall(entry: Entry, truth: Measured, tools: readonly string[]): Correction | undefined {
  const { figures } = entry;
  const grew =
    truth.known &&
    (!figures.known || truth.output > figures.output || (truth.output === figures.output && !same(truth, figures)));
  const more = missing(tools, entry.tools);
  if (!grew && more.length === 0) return undefined;
  if (entry.touched) return touched(entry);
  const named = more.length === 0 ? {} : { tool_calls: more.slice(0, 1_000) };
  return { of: entry.of, spend: spendWith(entry, grew ? truth : figures, grew), reason: GREW, ...named };
}

/**
 * The correction of a settled child. `written` is all its files hold, before copies are taken out: a child can also lose calls,
 * when the main file they were copied from turns up.
 */
export function correctionOfChild(
  entry: Entry & PerModel,
  calls: readonly Call[],
  written: Measured,
): Correction | undefined {
  const { figures, dollars } = entry;
  const truth = sumOf(calls);
  const models = byModel(calls);
  if (written.iterations < figures.iterations || written.output < figures.output) return undefined;
  if (figures.known && !truth.known && written.iterations === figures.iterations) return undefined;
  if (same(truth, figures) && truth.known === figures.known && sameModels(models, entry.models)) return undefined;
  if (entry.touched) return touched(entry);
  const spend = spendWith(entry, truth, true);
  if (dollars === undefined && calls.length > 0) return { of: entry.of, spend, reason: GREW, lines: linesOf(calls) };
  // A model that is gone from the files has a line all the same: dollars that somebody gave are known per model at best, and without
  // any line nothing booked in one would be taken back.
  const gone = [...entry.models]
    .filter(([model, booked]) => !models.has(model) && !same(booked, NOTHING))
    .map(([model]) => model);
  const all = new Map([...models, ...gone.map((model) => [model, { ...NOTHING, known: true }] as const)]);
  return {
    of: entry.of,
    spend,
    reason: GREW,
    lines: linesByModel(all, dollars && dollarsOf(dollars, entry.usd, [...all.keys()])),
  };
}

/** Booked dollars by model, as estimates that add up to all of them: what belongs to no line goes to the first. */
function dollarsOf(all: Dollars, booked: PerModel["usd"], models: readonly string[]): Map<string, Dollars> {
  const [first = UNNAMED, ...others] = models;
  const given = others.map((model): [string, string] => [model, booked.get(model) ?? "0"]);
  const rest = sum([all.usd, ...given.map(([, usd]) => minus(usd))]);
  // What somebody corrected may have left a model below nothing, which no line can say.
  const fits = [rest, ...given.map(([, usd]) => usd)].every((usd) => !usd.startsWith("-"));
  const parts = new Map<string, string>(fits ? [[first, rest], ...given] : [[first, all.usd]]);
  return new Map(models.map((model) => [model, { usd: parts.get(model) ?? "0", usd_known: false }]));
}

const minus = (usd: string): string => (usd.startsWith("-") ? usd.slice(1) : `-${usd}`);

/** Dollars somebody else has booked stay; of a spend that changed they are an estimate. */
function spendWith(entry: Entry, figures: Measured, changed: boolean): Record<string, unknown> {
  const { dollars } = entry;
  return spendOf(figures, dollars && { usd: dollars.usd, usd_known: dollars.usd_known && !changed });
}

function touched({ of }: Entry): Correction {
  return {
    note: `the files now say something else than ${of}, whose tokens somebody has corrected since: left as it is booked`,
  };
}

/** Names of `all` that are not in `some`, each as often as it is missing. */
function missing(all: readonly string[], some: readonly string[]): string[] {
  const left = [...some];
  return all.filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function sameModels(a: ReadonlyMap<string, Figures>, b: ReadonlyMap<string, Figures>): boolean {
  return [...new Set([...a.keys(), ...b.keys()])].every((model) =>
    same(a.get(model) ?? NOTHING, b.get(model) ?? NOTHING),
  );
}
