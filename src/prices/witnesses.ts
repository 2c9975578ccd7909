/** Names of models on which a catalogue and a book made of it could disagree: worked out from the clauses of both. */
import type { Inexpressible, Matcher } from "./clauses.js";

/** The dates that a name may end with. */
export const DATES = ["-20260317", "-2026-03-17"] as const;

/** Every name that clauses speak of, alone, dated, with a word behind it, and where two could meet in one. */
export function witnessesOf(clauses: readonly (Matcher | Inexpressible)[]): Set<string> {
  const names = [...new Set(clauses.flatMap(({ name }) => name ?? []))];
  const starts = clauses.filter((one) => "match" in one && (one.match === "prefix" || one.match === "contains"));
  const ends = clauses.filter((one) => ("match" in one ? one.match === "contains" : one.clause !== "regex"));
  const meetings = starts.flatMap(({ name: a }) =>
    ends.flatMap(({ name: b }) => (a && b && a !== b ? meet(a, b) : [])),
  );
  return new Set([
    ...names.flatMap((name) => [
      name,
      ...DATES.map((date) => name + date),
      `${name}-preview`,
      `${name}-1`,
      `x/${name}`,
    ]),
    ...meetings,
  ]);
}

/**
 * Two parts in one name: where the second goes on with the last words of the first, or is a word of its own behind it. A name with
 * two whole names in it is none: models are not called after two families.
 */
function meet(first: string, second: string): string[] {
  const met: string[] = [];
  for (let from = 1; from < first.length; from += 1) {
    const shared = first.slice(from);
    const atWord = /[^a-z0-9]/.test(first[from - 1] ?? "") && /[a-z0-9]/.test(shared);
    if (atWord && shared.length < second.length && second.startsWith(shared)) met.push(first.slice(0, from) + second);
  }
  return /^[a-z]+$/.test(second) ? [...met, `${first}-${second}`] : met;
}
