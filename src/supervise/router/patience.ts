/** How long to wait for an endpoint: until the caller aborts, and never longer than said. */

/** One call's patience: its signal aborts with the caller's, and when nothing was heard for too long. */
export class Patience {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #given: AbortSignal;
  readonly #onAbort = (): void => this.#controller.abort(this.#given.reason);
  /** Whether it was silence that ended the call. */
  lost = false;

  constructor(
    given: AbortSignal,
    readonly ms: number,
  ) {
    this.#given = given;
    this.#timer = setTimeout(() => {
      this.lost = !this.#controller.signal.aborted;
      this.#controller.abort();
    }, ms);
    given.addEventListener("abort", this.#onAbort, { once: true });
    if (given.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A sign of life: the time begins anew. */
  heard(): void {
    this.#timer.refresh();
  }

  /** Gives back the timer and the listener. */
  end(): void {
    clearTimeout(this.#timer);
    this.#given.removeEventListener("abort", this.#onAbort);
  }
}
