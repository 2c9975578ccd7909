/**
 * Makes the entries of a provider agree with its catalogue. A catalogue takes the first model of its list that any clause finds; a
 * book the most exact entry. Wherever they could name another model, the entry is narrowed, at last left out: an unknown price, never
 * a wrong one.
 */
import type { Matcher } from "./clauses.js";
import { Matching } from "./matching.js";
import { DATES } from "./witnesses.js";

/** A matcher and what it stands for. */
export interface Entry<M> extends Matcher {
  readonly model: M;
}

/** What the entries are compared with. */
export interface Catalogue<M> {
  /** The model that the catalogue finds by a name. */
  find(name: string): M | undefined;
  /** Whether two models cost the same, whatever the call. */
  alike(a: M, b: M): boolean;
}

/** Entries that agree, and how many were narrowed to a name of their own, or found another model. */
export interface Agreed<M> {
  readonly entries: readonly Entry<M>[];
  readonly narrowed: number;
  readonly shadowed: number;
}

/** The entries on which both agree, as far as `names` can tell. */
export function agree<M>(asked: readonly Entry<M>[], names: Iterable<string>, catalogue: Catalogue<M>): Agreed<M> {
  const witnesses = [...names].map((name) => ({ name, found: catalogue.find(name) }));
  const right = ({ match, name, model }: Entry<M>, asked: string, found: M | undefined): boolean => {
    if (found !== undefined) return catalogue.alike(found, model);
    // A catalogue may know one form of date only: the other names the same model, where it names any.
    return match === "dated" && DATES.some((date) => asked === name + date);
  };
  const finds = (entry: Entry<M>): boolean => {
    if (entry.match !== "dated") return right(entry, entry.name, catalogue.find(entry.name));
    const found = DATES.map((date) => catalogue.find(entry.name + date));
    return found.some((one) => one !== undefined) && found.every((one) => one === undefined || right(entry, "", one));
  };
  let entries = unique(asked.filter(finds));
  const shadowed = asked.filter((entry) => !finds(entry)).length;
  const lost = new Set<Entry<M>>();
  for (;;) {
    const matching = new Matching(entries);
    const wrong = new Set<Entry<M>>();
    for (const { name, found } of witnesses) {
      for (const entry of matching.find(name)) if (!right(entry, name, found)) wrong.add(entry);
    }
    if (wrong.size === 0) break;
    for (const entry of wrong) lost.add(entry);
    const narrower = [...wrong].flatMap(narrow).filter(finds);
    entries = unique([...entries.filter((entry) => !wrong.has(entry)), ...narrower]);
  }
  return { entries, narrowed: lost.size, shadowed };
}

/** The names that can be said without doubt of what a prefix or a part of a name stood for. */
function narrow<M>({ match, name, model }: Entry<M>): Entry<M>[] {
  if (match !== "prefix" && match !== "contains") return [];
  return [
    { match: "exact", name, model },
    { match: "dated", name, model },
  ];
}

/** One entry per matcher, the first. */
function unique<M>(entries: readonly Entry<M>[]): Entry<M>[] {
  const seen = new Map<string, Entry<M>>();
  for (const entry of entries) {
    const key = `${entry.match}:${entry.name}`;
    if (!seen.has(key)) seen.set(key, entry);
  }
  return [...seen.values()];
}
