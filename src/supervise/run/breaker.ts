/**
 * The restart breaker: too many children down within some time end the run. It counts rows, so that it goes on over a restart.
 *
 * What counts: direct children of the run's driver that failed. What a nested driver lost is its own, until it goes down itself. Work
 * that was aborted (infra, or cancelled before it began) or lost with its process (`lease-expired`) did not fail.
 */
import type { Ledger } from "../../ledger/ledger.js";

export interface BreakerLimits {
  readonly maxRestarts: number;
  readonly withinMs: number;
}

/** Whether more than `maxRestarts` of these instants (ms, ascending) lie within `withinMs`; exactly that far apart still counts. */
export function tripped(downs: readonly number[], { maxRestarts, withinMs }: BreakerLimits): boolean {
  return downs.some((last, place) => {
    const first = downs[place - maxRestarts];
    return first !== undefined && last - first <= withinMs;
  });
}

export class Breaker {
  readonly #ledger: Ledger;
  readonly #runId: string;
  readonly #limits: BreakerLimits | undefined;
  readonly #onTrip: () => void;
  /** Downs that were told of since the rows were last looked at. */
  #unseen = 0;
  /** The first look is at all that is there: earlier lives left it. */
  #first = true;
  #looking: Promise<void> = Promise.resolve();
  #tripped = false;

  /** Without limits it never trips, and reads nothing. */
  constructor(ledger: Ledger, runId: string, limits: BreakerLimits | undefined, onTrip: () => void) {
    this.#ledger = ledger;
    this.#runId = runId;
    this.#limits = limits;
    this.#onTrip = onTrip;
  }

  get tripped(): boolean {
    return this.#tripped;
  }

  /** Tells it that a child went down. A look that fails is made up for by the next; `check` is the last. */
  note(): void {
    this.#unseen += 1;
    this.check().catch(() => {});
  }

  /** Looks at the rows, after the looks under way. @throws {LedgerError} where they cannot be read. */
  check(): Promise<void> {
    const look = this.#looking.then(() => this.#look());
    this.#looking = look.catch(() => {});
    return look;
  }

  async #look(): Promise<void> {
    if (!this.#limits || this.#tripped || (this.#unseen === 0 && !this.#first)) return;
    const unseen = this.#unseen;
    const downs = await this.#downs(this.#first ? undefined : unseen + this.#limits.maxRestarts);
    this.#unseen -= unseen;
    this.#first = false;
    if (!tripped(downs, this.#limits)) return;
    this.#tripped = true;
    this.#onTrip();
  }

  /** When the last so many went down, ascending; undefined = all. */
  async #downs(most: number | undefined): Promise<number[]> {
    const ledger = this.#ledger;
    const ended = ledger.db
      .selectFrom("nodes")
      .select("ended_at")
      .where("tenant_id", "=", ledger.tenantId)
      .where("parent_node_id", "=", this.#runId)
      .where("status", "=", "down")
      .where("infra", "is distinct from", true)
      .where((row) => row.or([row("reason", "is", null), row("reason", "!=", "lease-expired")]))
      .orderBy("ended_at", "desc");
    const rows = await ledger.read(() => (most === undefined ? ended : ended.limit(most)).execute());
    return rows.map(({ ended_at }) => ended_at?.getTime() ?? 0).reverse();
  }
}
