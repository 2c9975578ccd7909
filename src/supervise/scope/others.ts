/** Children of a scope that this process does not run: an earlier life left them open, or another process is at work on them. */
import { expire } from "./calls-in-doubt.js";
import { endedOf, endOf, OPEN } from "./reading.js";
import type { RunContext } from "./run-context.js";
import { endEvent } from "./scope-events.js";
import type { Changes } from "./waiting.js";

/** Between two looks at children whose lease should have passed: from, and at most. */
const SHORTEST_MS = 5;
const LONGEST_MS = 1_000;

/** They count as live until their end is booked; once their leases have lapsed, `expire` books it. */
export class Others {
  readonly #leases = new Map<string, number | null>();
  #delayMs = SHORTEST_MS;
  #looking: Promise<void> | undefined;

  constructor(
    private readonly context: RunContext,
    private readonly poolId: string,
    private readonly changes: Changes,
  ) {}

  get size(): number {
    return this.#leases.size;
  }

  /** Looks for open children; to be called before this process has any of its own there. */
  async find(): Promise<void> {
    for (const row of await this.#open()) this.#leases.set(row.node_id, row.lease_at?.getTime() ?? null);
  }

  /** When to look again. The clock of the server decides, so a lease that should have passed is looked at more and more seldom. */
  waitMs(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const at of this.#leases.values()) if (at !== null) first = Math.min(first, at);
    return Math.min(Math.max(first - Date.now(), this.#delayMs), LONGEST_MS);
  }

  /** Books the ends of those whose lease has passed, and tells of all that have ended since. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_MS);
    let open = await this.#open([...this.#leases.keys()]);
    if (open.some(({ lapsed }) => lapsed)) {
      await expire(this.context, this.poolId);
      open = await this.#open([...this.#leases.keys()]);
    }
    const still = new Map(open.map((row) => [row.node_id, row.lease_at?.getTime() ?? null]));
    for (const [nodeId, at] of still) this.#leases.set(nodeId, at);
    for (const nodeId of [...this.#leases.keys()]) {
      if (!still.has(nodeId)) await this.#ended(nodeId);
    }
  }

  /** Says that a settlement was delivered: one of these has ended, if it is one of these. */
  async delivered(nodeId: string): Promise<void> {
    // Where its end cannot be read now, the next look tells of it.
    if (this.#leases.has(nodeId)) await this.#ended(nodeId).catch(() => {});
  }

  async #ended(nodeId: string): Promise<void> {
    const { context, poolId } = this;
    const ended = endedOf(await endOf(context.ledger, poolId, nodeId));
    if (!this.#leases.delete(nodeId)) return;
    this.#delayMs = SHORTEST_MS;
    context.emit(endEvent(context.runId, poolId, ended));
    if (ended.status !== "done") context.onDown?.();
    this.changes.note();
  }

  async #open(among?: readonly string[]): Promise<{ node_id: string; lease_at: Date | null; lapsed: boolean }[]> {
    if (among?.length === 0) return [];
    const { ledger } = this.context;
    return ledger.read((db) => {
      let query = db
        .selectFrom("nodes")
        .select(["node_id", "lease_at", "lapsed"])
        .where("tenant_id", "=", ledger.tenantId)
        .where("parent_node_id", "=", this.poolId)
        .where("status", "in", OPEN);
      if (among) query = query.where("node_id", "in", among);
      return query.execute();
    });
  }
}
