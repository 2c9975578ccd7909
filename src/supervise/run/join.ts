/**
 * The join barrier: a run ends when all its children have. Its own are aborted and drained; those that other processes left have until
 * their leases lapse.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type Booking, expire } from "../scope/calls-in-doubt.js";
import type { LiveScope } from "../scope/live-scope.js";
import { OPEN } from "../scope/reading.js";
import { isPassing } from "../scope/reasons.js";

/** Between two looks at what others hold. */
const SHORTEST_MS = 5;
const LONGEST_MS = 1_000;

/**
 * Ends what is at work in this process; what could not be booked is tried once more, then left to its lease.
 * @throws {LedgerError} `retryable` ones, at once: patience has ended before.
 */
export async function drain(scope: LiveScope, reason: unknown, graceMs: number): Promise<void> {
  try {
    await scope.drain(reason, graceMs).catch((error: unknown) => {
      if (isPassing(error)) throw error;
      return scope.drain(reason, graceMs);
    });
  } catch (error) {
    if (!(error instanceof LedgerError) || isPassing(error)) throw error;
  } finally {
    scope.close();
  }
}

/** Books the ends of a run's children whose leases have lapsed, until none is open, or for `ms`. Answers whether none is. */
export async function othersEnded(booking: Booking, ms: number): Promise<boolean> {
  const { ledger, runId } = booking;
  const until = performance.now() + ms;
  for (let delay = SHORTEST_MS; ; delay = Math.min(2 * delay, LONGEST_MS)) {
    const leases = await openLeases(ledger, runId);
    if (leases.length === 0) return true;
    const left = until - performance.now();
    if (left <= 0) return false;
    // The server's clock decides: a lease that should have passed is looked at more and more seldom.
    const first = Math.min(...leases) - Date.now();
    await sleep(Math.min(Math.max(first, delay), LONGEST_MS, left));
    await expire(booking, runId);
  }
}

/** When the leases of open children pass, in ms since 1970; never, for those that have none. */
async function openLeases(ledger: Ledger, runId: string): Promise<number[]> {
  const open = await ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select("lease_at")
      .where("tenant_id", "=", ledger.tenantId)
      .where("parent_node_id", "=", runId)
      .where("status", "in", OPEN)
      .execute(),
  );
  return open.map(({ lease_at }) => lease_at?.getTime() ?? Number.POSITIVE_INFINITY);
}
