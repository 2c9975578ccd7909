/** Waiting that ends, and leaves no timer and no listener behind. */

import { LONGEST_TIMER_MS } from "../../ledger/leases.js";

/**
 * What `work` comes to. Once `signal` has aborted it is waited for `graceMs` longer, then given up: undefined. Work that rejects after
 * that is nobody's.
 */
export function within<T>(work: Promise<T>, signal: AbortSignal, graceMs: () => number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      timer = setTimeout(() => settle(() => resolve(undefined)), Math.min(graceMs(), LONGEST_TIMER_MS));
    };
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      how();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/** Calls `reach` at an instant (ms since 1970), however far away; at once where it has passed. Answers how to call it off. */
export function at(instant: number, reach: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    const left = instant - Date.now();
    if (left <= 0) reach();
    else timer = setTimeout(wait, Math.min(left, LONGEST_TIMER_MS));
  };
  wait();
  return () => clearTimeout(timer);
}

/** Wakes everybody who waits for something to change, and counts the changes, so that none is missed in between. */
export class Changes {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  note(): void {
    this.#count += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Fulfils at the first change after the count `seen`, or when `ms` have passed. */
  after(seen: number, ms: number): Promise<void> {
    if (this.#count !== seen || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = Number.isFinite(ms) ? setTimeout(wake, Math.min(ms, LONGEST_TIMER_MS)) : undefined;
      this.#waiting.add(wake);
    });
  }
}
