/**
 * Which span is below which, of spans that were seen, as far back as memory is given. Only ways that can lead from a call to one that tells it
 * again are kept: they go through calls and spans of no known kind (http, a framework), and end at tools, agents and workflows.
 */
import type { Kind } from "./kinds.js";

/** Spans that are remembered where nobody says otherwise. */
const MOST = 100_000;

/** More than this many spans above a call are not looked at. */
const HIGHEST = 64;

const PASSED: readonly Kind[] = ["call", "other"];

/** A span, as far as it is remembered. */
interface Linked {
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
  readonly kind: Kind;
}

export class Links {
  readonly #parents = new Map<string, string>();
  readonly #most: number;

  constructor(most = MOST) {
    this.#most = most;
  }

  /** Remembers the parents of spans; the eldest are forgotten. */
  note(spans: Iterable<Linked>): void {
    for (const { trace, id, parent, kind } of spans) {
      if (parent === undefined || !PASSED.includes(kind)) continue;
      const key = `${trace}:${id}`;
      this.#parents.delete(key);
      this.#parents.set(key, parent);
      if (this.#parents.size <= this.#most) continue;
      for (const [eldest] of this.#parents) {
        this.#parents.delete(eldest);
        break;
      }
    }
  }

  /** The spans above one, the nearest first, behind those that are known already; none where the way comes back upon itself. */
  above(trace: string, span: string, known: readonly string[] = []): string[] {
    const above = [...known];
    for (let last = above.at(-1) ?? span; above.length < HIGHEST; ) {
      const next = this.#parents.get(`${trace}:${last}`);
      if (next === undefined) break;
      if (next === span || above.includes(next)) return [];
      above.push(next);
      last = next;
    }
    return above;
  }
}
