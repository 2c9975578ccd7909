/** Which row a name finds in the ledger: the same order as in the database, so that a book can be compared with its catalogue. */
import type { Matcher } from "./clauses.js";

const DATE = /-(?:\d{8}|\d{4}-\d{2}-\d{2})$/;

/** Entries of one provider, ready to be asked. */
export class Matching<E extends Matcher> {
  readonly #exact = new Map<string, E>();
  readonly #dated = new Map<string, E>();
  readonly #prefix: E[] = [];
  readonly #contains: E[] = [];

  constructor(entries: readonly E[]) {
    for (const entry of entries) {
      if (entry.match === "exact") this.#exact.set(entry.name, entry);
      else if (entry.match === "dated") this.#dated.set(entry.name, entry);
      else if (entry.match === "prefix") this.#prefix.push(entry);
      else this.#contains.push(entry);
    }
    for (const list of [this.#prefix, this.#contains]) list.sort((a, b) => b.name.length - a.name.length);
  }

  /** What a name, in lower case, may find: one entry, or several equally long ones of which we do not rely on an order. */
  find(name: string): readonly E[] {
    const entry = this.#exact.get(name) ?? (DATE.test(name) ? this.#dated.get(name.replace(DATE, "")) : undefined);
    if (entry !== undefined) return [entry];
    const prefix = this.#prefix.find((one) => name.startsWith(one.name));
    if (prefix !== undefined) return [prefix];
    const found = this.#contains.filter((one) => name.includes(one.name));
    return found.filter((one) => one.name.length === found[0]?.name.length);
  }
}
