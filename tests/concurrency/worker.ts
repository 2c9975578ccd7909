/** A client in a process of its own: takes orders over the channel of `fork`, does one at a time. */
import type { Client } from "pg";
import { connect } from "../../src/database/connect.js";
import type { CallsJob, Order, Reply, Report, UnfinishedJob, UpdatesJob } from "./jobs.js";
import { type Answer, apply, sqlState, submit } from "./operations.js";

/** Retries are what is measured, so their number is bounded far above what is tolerated. */
const MOST_RETRIES = 10_000;

/** After these the same call may be made again. */
const RETRYABLE = new Set(["40001", "40P01"]);

/** The calls of a job, to be made one after the other. */
function* callsOf(client: Client, job: CallsJob | UpdatesJob): Generator<() => Promise<Answer[]>> {
  if (job.kind === "calls") {
    const call = job.entryPoint === "submit" ? submit : apply;
    for (const batch of job.batches) yield () => call(client, job.tenantId, batch);
  } else {
    const update = async (): Promise<Answer[]> => {
      await client.query("update floor set n = n + 1 where id = $1", [job.row]);
      return [];
    };
    for (let index = 0; index < job.count; index++) yield update;
  }
}

async function work(client: Client, job: CallsJob | UpdatesJob): Promise<Report> {
  const answers: Answer[] = [];
  const retries: string[] = [];
  const startedAt = Date.now();
  for (const call of callsOf(client, job)) {
    for (let done = false; !done; ) {
      try {
        answers.push(...(await call()));
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

/** Stays in its transaction until the process is ended from outside. */
async function begin(client: Client, { tenantId, operations }: UnfinishedJob): Promise<never> {
  await client.query("begin isolation level serializable");
  await apply(client, tenantId, operations);
  return new Promise<never>(() => {});
}

async function carryOut({ number, url, job }: Order): Promise<Reply> {
  const client = await connect(url);
  try {
    return { number, report: await (job.kind === "unfinished" ? begin(client, job) : work(client, job)) };
  } catch (error) {
    return { number, failure: `${sqlState(error) ?? ""} ${String(error)}` };
  } finally {
    await client.end();
  }
}

// Nobody is left to hear of it.
process.on("disconnect", () => process.exit());
process.on("message", (order: Order) => {
  void carryOut(order).then((reply) => process.send?.(reply));
});
