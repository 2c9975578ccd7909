/** One prepared statement, over and over: `baselines/bare-update.sql`. */
import { statementsOf } from "../sql-file.js";
import { poolOf } from "./client.js";
import type { OpenWork } from "./work.js";

export const bareUpdate: OpenWork = async (job) => {
  const text = statementsOf("baselines/bare-update")("update");
  const pool = poolOf(job);
  let transactions = 0;
  return {
    async call() {
      await pool.query({ name: "update", text, values: [1] });
      transactions += 1;
      return { done: 1, told: { updates: 1 } };
    },
    counts: () => ({ transactions, retries: 0 }),
    close: () => pool.end(),
  };
};
