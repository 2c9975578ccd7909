/** `pool.reserve`, and `pool.reconcile` later: one child with three capped channels. */
import { anyPool, clientOf } from "./client.js";
import { bookedOf, callOf, usageOf } from "./spend.js";
import type { OpenWork } from "./work.js";

const ROOM = { tokens: 2000, iterations: 1, usd: "0.02" } as const;

export const pair: OpenWork = async (job) => {
  const { ledger, ...rest } = clientOf(job);
  const pools = new Map((job.pools ?? []).map((id) => [id, ledger.pool(id)]));
  let calls = 0;
  return {
    ...rest,
    async call() {
      const n = calls++;
      const usage = usageOf(n);
      const pool = pools.get(anyPool(job));
      const room = await pool?.reserve(ROOM, { label: "worker" });
      if (!pool || !room?.ok) throw new Error(`no room: ${JSON.stringify(room)}`);
      const { seq } = await pool.reconcile(room.ticket, { iterations: 1, ...usage }, callOf(n));
      return { done: 1, told: { spawned: 1, settled: 1, settled_seqs: seq ?? 0, ...bookedOf(usage) } };
    },
  };
};
