/** `ledger.apply`: metered turns in pools at random, so many a call; a call is one transaction where the batch is one. */
import { randomUUID } from "node:crypto";
import type { Operation } from "../../../../src/index.js";
import type { Told } from "../loads/load.js";
import { plus } from "../loads/load.js";
import { anyPool, clientOf } from "./client.js";
import { toldOf, usageOf } from "./spend.js";
import type { OpenWork } from "./work.js";

export const apply: OpenWork = async (job) => {
  const { batch = 1 } = job;
  const { ledger, ...rest } = clientOf(job, { coalesce: batch > 1 });
  let made = 0;
  const turn = (): { operation: Operation; usage: ReturnType<typeof usageOf> } => {
    const n = made++;
    const usage = usageOf(n);
    const spend = { iterations: 0, ...usage };
    const call = { provider: "acme", model: `model-${n % 3}`, turn: n % 1000 };
    return { operation: { op: "meter", operation_id: randomUUID(), pool_id: anyPool(job), spend, ...call }, usage };
  };
  return {
    ...rest,
    async call() {
      const turns = Array.from({ length: batch }, turn);
      const answers = await ledger.apply(turns.map(({ operation }) => operation));
      let told: Told = {};
      for (const { position, status, result } of answers) {
        const one = turns[position];
        if (status !== "ok" || !one) throw new Error(`${status}: ${JSON.stringify(result)}`);
        told = plus(told, toldOf(one.usage, result.seq ?? null));
      }
      return { done: answers.length, told };
    },
  };
};
