/** A client in a process of its own: takes orders over the channel of `fork`, does one at a time. */
import type { Client } from "pg";
import { connect } from "../../src/database/connect.js";
import type { Job, Order, Reply, Report } from "./jobs.js";
import { type Answer, apply, type Operation, sqlState, submit } from "./operations.js";

/** Retries are what is measured, so their number is bounded far above what is tolerated. */
const MOST_RETRIES = 10_000;

/** After these the same call may be made again. */
const RETRYABLE = new Set(["40001", "40P01"]);

async function call(client: Client, job: Job, batch: readonly Operation[]): Promise<Answer[]> {
  if (job.kind === "updates") {
    await client.query("update floor set n = n + 1 where id = $1", [job.row]);
    return [];
  }
  return (job.entryPoint === "submit" ? submit : apply)(client, job.tenantId, batch);
}

async function work(client: Client, job: Job): Promise<Report> {
  const batches = job.kind === "updates" ? new Array<Operation[]>(job.count).fill([]) : job.batches;
  const answers: Answer[] = [];
  const retries: string[] = [];
  const startedAt = Date.now();
  for (const batch of batches) {
    for (let done = false; !done; ) {
      try {
        answers.push(...(await call(client, job, batch)));
        done = true;
      } catch (error) {
        const state = sqlState(error) ?? "";
        if (!RETRYABLE.has(state) || retries.length >= MOST_RETRIES) throw error;
        retries.push(state);
      }
    }
  }
  return { answers, retries, startedAt, endedAt: Date.now() };
}

async function carryOut({ number, url, job }: Order): Promise<Reply> {
  const client = await connect(url);
  try {
    return { number, report: await work(client, job) };
  } catch (error) {
    return { number, failure: `${sqlState(error) ?? ""} ${String(error)}` };
  } finally {
    await client.end();
  }
}

process.on("message", (order: Order) => {
  void carryOut(order).then((reply) => process.send?.(reply));
});
