/** `baselines/simple-update.sql`: what `pgbench -N -M prepared` does, from Node, for machines without pgbench. */
import type pg from "pg";
import { statementsOf } from "../sql-file.js";
import { poolOf } from "./client.js";
import type { OpenWork } from "./work.js";

export const simpleUpdate: OpenWork = async (job) => {
  const statement = statementsOf("baselines/simple-update");
  const pool = poolOf(job);
  const accounts = Number(job.parameters?.[0]);
  let transactions = 0;
  return {
    async call() {
      const account = 1 + Math.floor(Math.random() * accounts);
      const delta = Math.floor(Math.random() * 10_000) - 5000;
      const client = await pool.connect();
      const run = (name: string, values: unknown[]): Promise<pg.QueryResult> =>
        client.query({ name, text: statement(name), values });
      try {
        await client.query("begin");
        await run("update", [account, delta]);
        await run("read", [account]);
        await run("note", [account, delta]);
        await client.query("commit");
      } finally {
        client.release();
      }
      transactions += 1;
      return { done: 1, told: { transactions: 1 } };
    },
    counts: () => ({ transactions, retries: 0 }),
    close: () => pool.end(),
  };
};
