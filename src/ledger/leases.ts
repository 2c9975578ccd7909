/** Renews the leases of the holds this process made, until they are settled or the process ends: then the lease does its work. */
import { newId } from "./ids.js";
import type { Answer, Operation } from "./protocol.js";
import type { Hold } from "./writer.js";

/** Renewed this often per lease, so that one renewal may fail. */
const RENEWALS_PER_LEASE = 3;

/** A lease so short that it cannot be kept is no reason to do nothing else. */
const SHORTEST_MS = 10;

/** The longest that a timer of Node can wait; beyond it fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Holds due this close together are renewed in one call. */
const SLACK = 0.1;

export class Leases {
  readonly #holds = new Map<string, Hold & { dueAt: number }>();
  #timer: NodeJS.Timeout | undefined;
  #nextAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(private readonly send: (operations: readonly Operation[], lane: string) => Promise<Answer[]>) {}

  keep(hold: Hold): void {
    if (this.#stopped) return;
    const kept = { ...hold, dueAt: dueAfter(performance.now(), hold) };
    this.#holds.set(hold.nodeId, kept);
    if (kept.dueAt < this.#nextAt) this.#wakeAt(kept.dueAt);
  }

  drop(nodeId: string): void {
    this.#holds.delete(nodeId);
  }

  /** Drops the holds in a pool, and those in the pools below. */
  leave(poolId: string): void {
    const left = [...this.#holds.values()].filter((hold) => hold.poolId === poolId);
    for (const { nodeId } of left) {
      this.drop(nodeId);
      this.leave(nodeId);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#holds.clear();
  }

  #schedule(): void {
    let dueAt = Number.POSITIVE_INFINITY;
    for (const hold of this.#holds.values()) dueAt = Math.min(dueAt, hold.dueAt);
    this.#wakeAt(dueAt);
  }

  #wakeAt(dueAt: number): void {
    clearTimeout(this.#timer);
    this.#nextAt = dueAt;
    if (this.#stopped || dueAt === Number.POSITIVE_INFINITY) return;
    const wait = Math.min(Math.max(0, dueAt - performance.now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => void this.#renew(), wait);
    // A lease is no reason for the process to go on.
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    const now = performance.now();
    const due = [...this.#holds.values()].filter((hold) => hold.dueAt <= now + hold.leaseMs * SLACK);
    // Not again while one is under way: renewals that wait for a pool would pile up before it.
    for (const hold of due) hold.dueAt = Number.POSITIVE_INFINITY;
    // Before they are answered: a pool that has to wait must not keep the others waiting.
    this.#schedule();
    const pools = new Set(due.map((hold) => hold.poolId));
    const inPool = (poolId: string): (typeof due)[number][] => due.filter((hold) => hold.poolId === poolId);
    const renew = async (poolId: string): Promise<void> => {
      const holds = inPool(poolId);
      await this.#extend(holds, poolId);
      for (const hold of holds) hold.dueAt = dueAfter(now, hold);
      this.#schedule();
    };
    await Promise.all([...pools].map(renew));
  }

  async #extend(holds: readonly Hold[], poolId: string): Promise<void> {
    const operations = holds.map(({ nodeId, leaseMs }) => {
      return { op: "extend", operation_id: newId(), node_id: nodeId, lease_ms: leaseMs };
    });
    // An outage longer than the calls' own patience: the next turn tries again.
    const answers = await this.send(operations, poolId).catch(() => []);
    for (const [index, { status }] of answers.entries()) {
      // It has ended, by another hand or by its lease.
      if (status === "error") this.drop(holds[index]?.nodeId ?? "");
    }
  }
}

function dueAfter(renewedAt: number, { leaseMs }: Hold): number {
  return renewedAt + Math.max(leaseMs / RENEWALS_PER_LEASE, SHORTEST_MS);
}
