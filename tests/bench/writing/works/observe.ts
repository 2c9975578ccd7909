/** `pool.observe`: one turn of a driver, metered. */
import { anyPool, clientOf } from "./client.js";
import { callOf, tagsOf, toldOf, usageOf } from "./spend.js";
import type { OpenWork } from "./work.js";

export const observe: OpenWork = async (job) => {
  const { ledger, ...rest } = clientOf(job);
  const pools = new Map((job.pools ?? []).map((id) => [id, ledger.pool(id)]));
  let calls = 0;
  return {
    ...rest,
    async call() {
      const n = calls++;
      const usage = usageOf(n);
      const options = { purpose: "turn", turn: n % 1000, tags: tagsOf(n), ...callOf(n) } as const;
      const booked = await pools.get(anyPool(job))?.observe(usage, options);
      return { done: 1, told: toldOf(usage, booked?.seq ?? null) };
    },
  };
};
