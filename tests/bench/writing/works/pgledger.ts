/** `baselines/pgledger.sql`: a transfer from one hot account to the other, again where it lost. */
import { statementsOf } from "../sql-file.js";
import { lost, poolOf } from "./client.js";
import type { OpenWork } from "./work.js";

/** Attempts at one transfer. */
const MOST = 1000;

export const pgledger: OpenWork = async (job) => {
  const text = statementsOf("baselines/pgledger")("transfer");
  const pool = poolOf(job);
  const values = [...(job.parameters ?? []), "0.01"];
  let transactions = 0;
  let retries = 0;
  const transferred = async (): Promise<boolean> => {
    try {
      await pool.query({ name: "transfer", text, values });
      return true;
    } catch (error) {
      if (lost(error)) return false;
      throw error;
    }
  };
  return {
    async call() {
      for (let attempt = 0; !(await transferred()); attempt += 1) {
        if (attempt === MOST) throw new Error(`lost ${MOST} times`);
        retries += 1;
      }
      transactions += 1;
      return { done: 1, told: { transfers: 1, cents: 1 } };
    },
    counts: () => ({ transactions, retries }),
    close: () => pool.end(),
  };
};
