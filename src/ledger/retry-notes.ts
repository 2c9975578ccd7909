/**
 * Tells the ledger how often this client had to ask again, so that `ledger.health` shows it to whoever runs the server. Only after
 * a call went through, seldom, and never at the cost of a call: what cannot be told is kept for later, and where the ledger takes
 * no such notes (a reader's role, an older schema) nothing is tried again.
 */
import type pg from "pg";
import { noteRetries } from "./call.js";
import { isClean, kindOf } from "./errors.js";
import type { RetryCounts } from "./retry.js";

/** At most one note per this time and client. */
const NOTE_EVERY_MS = 5_000;

/** How long closing waits for the last note. */
const CLOSING_MS = 2_000;

/** The count that the ledger takes at once. */
const MOST = 2 ** 31 - 1;

export class RetryNotes {
  #timer: NodeJS.Timeout | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #told = 0;
  #refused = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly connect: () => Promise<pg.PoolClient>,
    private readonly tenantId: string,
    private readonly counts: Readonly<RetryCounts>,
  ) {}

  /** A call went through: what was repeated on the way is told soon. */
  note(): void {
    if (this.#timer || this.#refused || this.#untold() === 0) return;
    const wait = Math.max(0, this.#lastAt + NOTE_EVERY_MS - performance.now());
    this.#timer = setTimeout(() => this.#tell(), wait);
    this.#timer.unref();
  }

  /** Tells what is waiting, for as long as that may take. */
  async flush(): Promise<void> {
    if (this.#timer) this.#tell();
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSING_MS);
    });
    await Promise.race([this.#sending, enough]);
    clearTimeout(timer);
  }

  #untold(): number {
    return Math.min(MOST, this.counts.conflict + this.counts.connection - this.#told);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastAt = performance.now();
    // One after the other, so that nothing is told twice; a failure leaves it for the next time.
    this.#sending = this.#sending.then(() => this.#send()).catch(() => {});
  }

  async #send(): Promise<void> {
    const retries = this.#untold();
    if (retries === 0 || this.#refused) return;
    const client = await this.connect();
    let fit = false;
    try {
      await noteRetries(client, this.tenantId, retries);
      this.#told += retries;
      fit = true;
    } catch (error) {
      fit = isClean(error);
      this.#refused = kindOf(error) === "final";
    } finally {
      client.release(!fit);
    }
  }
}
