/** `call ledger.submit` with one operation, prepared, from Node: the scripts of `pgbench/` for machines without pgbench. */
import { randomUUID } from "node:crypto";
import type { Told } from "../loads/load.js";
import { anyPool, lost, poolOf } from "./client.js";
import type { Called, OpenWork } from "./work.js";

/** Attempts at one call. */
const MOST = 100;

const SPEND = { input_tokens: 1000, output_tokens: 100, cache_read_tokens: 500, usd: "0.0123", ms: 900 };
const CALL = { provider: "acme", model: "model-1" };
const BOOKED = { tokens: 1100, usd_millionths: 12_300 };

export const submit: OpenWork = async (job) => {
  const pool = poolOf(job);
  const text = "call ledger.submit($1, $2::jsonb, false, null)";
  /** Nodes that are to be settled. */
  const open: string[] = [];
  let transactions = 0;
  let retries = 0;
  const send = async (operation: Record<string, unknown>, attempts = MOST): Promise<number> => {
    const sent = JSON.stringify([{ operation_id: operation.operation_id ?? randomUUID(), ...operation }]);
    try {
      const { rows } = await pool.query({ name: "submit", text, values: [job.tenant, sent] });
      const answer = rows[0].p_results[0];
      if (answer.status !== "ok" && answer.status !== "replayed") throw new Error(JSON.stringify(answer));
      transactions += 1;
      return answer.result.seq;
    } catch (error) {
      if (!lost(error) || attempts === 0) throw error;
      retries += 1;
      return send(JSON.parse(sent)[0], attempts - 1);
    }
  };
  const told = (what: Told): Called => ({ done: 1, told: what });
  return {
    async call(_, phase) {
      if (phase === "settle") {
        const node = open.pop();
        if (node === undefined) return null;
        await send({ op: "settle", node_id: node, outcome: "done", spend: { iterations: 1, ...SPEND }, ...CALL });
        return told({ settled: 1, ...BOOKED });
      }
      const pool_id = anyPool(job);
      if (phase === "spawn") {
        const node = randomUUID();
        const budget = { tokens: 2000, iterations: 1, usd: "0.02" };
        await send({ op: "spawn", pool_id, node_id: node, label: "worker", lease_ms: 900_000, budget });
        open.push(node);
        return told({ spawned: 1 });
      }
      await send({ op: "meter", pool_id, turn: 1, purpose: "turn", spend: { iterations: 0, ...SPEND }, ...CALL });
      return told({ metered: 1, ...BOOKED });
    },
    counts: () => ({ transactions, retries }),
    close: () => pool.end(),
  };
};
