/** The price catalogue that comes as a package, as a book of the ledger. Nothing is asked of the network. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { calcPrice, type ModelInfo, type Provider, waitForUpdate } from "@pydantic/genai-prices";
import type { PriceRow } from "../ledger/prices.js";
import { agree, type Entry } from "./agreement.js";
import { clausesOf } from "./clauses.js";
import { type Rate, ratesOf } from "./rates.js";
import { witnessesOf } from "./witnesses.js";

/** A book, ready for `putPrices`, and what of the catalogue is not in it. */
export interface CatalogueBook {
  /** `genai-prices@<version>`, with the providers where they were chosen. */
  readonly book: string;
  readonly source: string;
  readonly prices: readonly PriceRow[];
  readonly leftOut: LeftOut;
}

/**
 * What is left out, which is priced as unknown. Of models: those whose price changes with the hour, and those without a price of
 * tokens. Of clauses: those that the ledger has no match for (a plain name in them is kept as that name), those by which the catalogue
 * itself finds another model, and those kept for fewer names than they stand for.
 */
export interface LeftOut {
  readonly models: { readonly time_of_day: number; readonly no_token_price: number };
  readonly clauses: {
    readonly ends_with: number;
    readonly and: number;
    readonly regex: number;
    readonly shadowed: number;
    readonly narrowed: number;
  };
}

/** The package's name; a book is called after it without its scope. */
const PACKAGE = "@pydantic/genai-prices";

/**
 * Translates the catalogue: all providers, or those named by their ids in the catalogue.
 * @throws {RangeError} naming a provider that the catalogue does not have.
 */
export async function readCatalogue(providers?: readonly string[]): Promise<CatalogueBook> {
  const all = (await waitForUpdate()) ?? [];
  const chosen = providers && [...new Set(providers)].sort();
  const unknown = chosen?.find((id) => !all.some((provider) => provider.id === id));
  if (unknown !== undefined) throw new RangeError(unknown);
  const taken = all.filter(({ id }) => chosen?.includes(id) ?? true);
  const parts = taken.map((provider) => translate(provider, all));
  const total = (count: (left: LeftOut) => number): number => parts.reduce((sum, part) => sum + count(part.leftOut), 0);
  const name = `${PACKAGE.replace(/^.*\//, "")}@${versionOf()}`;
  return {
    book: chosen === undefined ? name : `${name}:${partOf(chosen)}`,
    source: `${PACKAGE} ${versionOf()}`,
    prices: parts.flatMap(({ prices }) => prices),
    leftOut: {
      models: {
        time_of_day: total(({ models }) => models.time_of_day),
        no_token_price: total(({ models }) => models.no_token_price),
      },
      clauses: {
        ends_with: total(({ clauses }) => clauses.ends_with),
        and: total(({ clauses }) => clauses.and),
        regex: total(({ clauses }) => clauses.regex),
        shadowed: total(({ clauses }) => clauses.shadowed),
        narrowed: total(({ clauses }) => clauses.narrowed),
      },
    },
  };
}

/** Which part of the catalogue a book is, short enough for a name. */
function partOf(providers: readonly string[]): string {
  const part = providers.join("+");
  const digest = (): string => createHash("sha256").update(part).digest("hex").slice(0, 12);
  return part.length <= 100 ? part : `${providers.length}-providers-${digest()}`;
}

/** The ids of the catalogue's providers. */
export async function catalogueProviders(): Promise<string[]> {
  return ((await waitForUpdate()) ?? []).map(({ id }) => id);
}

function versionOf(): string {
  const manifest = new URL("../package.json", import.meta.resolve(PACKAGE));
  return String(JSON.parse(readFileSync(manifest, "utf8")).version);
}

/** One provider. The models of those that it falls back to come after its own, as the catalogue looks for them. */
function translate(provider: Provider, all: readonly Provider[]): { prices: PriceRow[]; leftOut: LeftOut } {
  const others = (provider.fallback_model_providers ?? []).map((id) => all.find((one) => one.id === id)?.models ?? []);
  const groups = [provider.models, ...others];
  const models = groups.flat();
  const rates = new Map(models.map((model) => [model, ratesOf(model)]));
  const clauses = models.flatMap((model) => clausesOf(model.match).map((clause) => ({ model, clause })));
  const asked = clauses.flatMap(({ model, clause }): Entry<ModelInfo>[] => {
    if (typeof rates.get(model) === "string") return [];
    if ("match" in clause) return [{ ...clause, model }];
    return clause.name === undefined ? [] : [{ match: "exact", name: clause.name, model }];
  });
  const keys = new Map(models.map((model) => [model, JSON.stringify(rates.get(model))]));
  const agreed = agree(
    asked,
    groups.flatMap((group) => [...witnessesOf(group.flatMap(({ match }) => clausesOf(match)))]),
    {
      find: (name) => calcPrice({}, name, { providerId: provider.id })?.model,
      // Models without rates are like no other.
      alike: (a, b) => a === b || (typeof rates.get(a) !== "string" && keys.get(a) === keys.get(b)),
    },
  );
  const inexpressible = (kind: string): number =>
    clauses.filter(({ clause }) => "clause" in clause && clause.clause === kind).length;
  const unpriced = (why: string): number => provider.models.filter((model) => rates.get(model) === why).length;
  return {
    prices: agreed.entries.flatMap((entry) => rowsOf(provider.id, entry, rates.get(entry.model))),
    leftOut: {
      models: { time_of_day: unpriced("time_of_day"), no_token_price: unpriced("no_token_price") },
      clauses: {
        ends_with: inexpressible("ends_with"),
        and: inexpressible("and"),
        regex: inexpressible("regex"),
        shadowed: agreed.shadowed,
        narrowed: agreed.narrowed,
      },
    },
  };
}

function rowsOf(
  provider: string,
  { match, name, model }: Entry<ModelInfo>,
  rates: readonly Rate[] | string | undefined,
): PriceRow[] {
  if (rates === undefined || typeof rates === "string") return [];
  return rates.map((rate) => ({ provider, model: name, match, ...rate, source: model.id }));
}
