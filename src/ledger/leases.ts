/** Renews the leases of the holds this process made, until they are settled or the process ends: then the lease does its work. */
import { randomUUID } from "node:crypto";
import type { Answer, Operation } from "./protocol.js";
import type { Hold } from "./writer.js";

/** Renewed this often per lease, so that one renewal may fail. */
const RENEWALS_PER_LEASE = 3;

/** The longest that a timer of Node can wait; beyond it fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

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
    const dueAt = performance.now() + hold.leaseMs / RENEWALS_PER_LEASE;
    this.#holds.set(hold.nodeId, { ...hold, dueAt });
    if (dueAt < this.#nextAt) this.#wakeAt(dueAt);
  }

  drop(nodeId: string): void {
    this.#holds.delete(nodeId);
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
    for (const hold of due) hold.dueAt = now + hold.leaseMs / RENEWALS_PER_LEASE;
    // Before they are answered: a pool that has to wait must not keep the others waiting.
    this.#schedule();
    const pools = new Set(due.map((hold) => hold.poolId));
    const inPool = (poolId: string): Hold[] => due.filter((hold) => hold.poolId === poolId);
    await Promise.all([...pools].map((poolId) => this.#extend(inPool(poolId), poolId)));
  }

  async #extend(holds: readonly Hold[], poolId: string): Promise<void> {
    const operations = holds.map(({ nodeId, leaseMs }) => {
      return { op: "extend", operation_id: randomUUID(), node_id: nodeId, lease_ms: leaseMs };
    });
    // An outage longer than the calls' own patience: the next turn tries again.
    const answers = await this.send(operations, poolId).catch(() => []);
    for (const [index, { status }] of answers.entries()) {
      // It has ended, by another hand or by its lease.
      if (status === "error") this.drop(holds[index]?.nodeId ?? "");
    }
  }
}
