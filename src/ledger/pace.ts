/**
 * How many operations a call may have: as many as are answered in good time, because who comes meanwhile waits for it. A call that
 * took too long cuts the next ones to what would have been in time; full ones that are in time double it again.
 */

/** What a call should take at most. */
const TARGET_MS = 50;

/**
 * A call costs about as much as ten operations whatever its size: where smaller ones are slow, it is not their size (a lock of
 * another process, a disk), and still smaller ones would only be more.
 */
const LEAST = 10;

export class Pace {
  readonly #most: number;
  #size: number;

  constructor(most: number) {
    this.#most = most;
    this.#size = most;
  }

  /** Operations of the next call, at most. */
  get size(): number {
    return this.#size;
  }

  /** A call of so many operations was answered after so long. */
  note(operations: number, ms: number): void {
    if (operations < Math.min(LEAST, this.#most)) return;
    if (ms > TARGET_MS) this.#size = this.#bounded(Math.min(this.#size, Math.floor((operations * TARGET_MS) / ms)));
    else if (operations * 2 > this.#size) this.#size = this.#bounded(this.#size * 2);
  }

  #bounded(size: number): number {
    return Math.min(this.#most, Math.max(LEAST, size));
  }
}
