/** `baselines/bulk-insert.sql`: rows as the ledger's own journal has them, a thousand a commit, each with an id of its own. */
import { randomUUID } from "node:crypto";
import { statementsOf } from "../sql-file.js";
import { poolOf } from "./client.js";
import type { OpenWork } from "./work.js";

export const bulkInsert: OpenWork = async (job) => {
  const statement = statementsOf("baselines/bulk-insert");
  const pool = poolOf(job);
  const { rows: columns } = await pool.query<{ names: string; types: string }>(statement("columns"), [job.tenant]);
  const { names = "", types = "" } = columns[0] ?? {};
  const { rows: booked } = await pool.query<{ row: Record<string, unknown> }>(statement("rows"), [job.tenant]);
  const patterns = booked.map(({ row }) => row);
  const text = statement("insert").replaceAll(":names", names).replaceAll(":types", types);
  const { batch = 1000 } = job;
  let seq = 0;
  let transactions = 0;
  return {
    async call() {
      const sent = Array.from({ length: batch }, (_, n) => ({
        ...patterns[n % patterns.length],
        seq: ++seq,
        operation_id: randomUUID(),
      }));
      const { rowCount } = await pool.query({ name: "insert", text, values: [JSON.stringify(sent)] });
      transactions += 1;
      return { done: rowCount ?? 0, told: { rows: rowCount ?? 0 } };
    },
    counts: () => ({ transactions, retries: 0 }),
    close: () => pool.end(),
  };
};
