/** A load process: opens its job, then runs callers for as long as each turn is. Ends when its parent does. */
import { openWork } from "../works/all.js";
import type { Work } from "../works/work.js";
import type { Job, Order, Reply } from "./jobs.js";
import { plus, type Told, type Turn } from "./load.js";

let work: Work | undefined;
let job: Job | undefined;

const failureOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : `${error}`);
const answer = (reply: Reply): void => void process.send?.(reply);

process.on("message", (order: Order) => {
  obey(order).then(answer, (error: unknown) => answer({ failure: failureOf(error) }));
});
process.once("disconnect", () => {
  const done = (): void => process.exit();
  Promise.resolve(work?.close()).then(done, done);
});

async function obey(order: Order): Promise<Reply> {
  if ("open" in order) {
    job = order.open;
    work = await openWork(job);
    return { ready: true };
  }
  if (!work || !job) throw new Error("no job");
  return { turn: await turn(work, job, order) };
}

async function turn(work: Work, job: Job, { ms, phase }: { ms: number; phase: string | undefined }): Promise<Turn> {
  const times: number[] = [];
  const failures: string[] = [];
  let told: Told = {};
  let done = 0;
  let heap = 0;
  const sampled = setInterval(() => {
    heap = Math.max(heap, process.memoryUsage().heapUsed);
  }, 50);
  const before = work.counts();
  const began = performance.now();
  const until = began + ms;
  const caller = async (number: number): Promise<void> => {
    for (let at = performance.now(); at < until; at = performance.now()) {
      const result = await work.call(number, phase);
      if (!result) return;
      times.push(performance.now() - at);
      done += result.done;
      told = plus(told, result.told);
      const rest = (job.everyMs ?? 0) - (performance.now() - at);
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    }
  };
  const callers = Array.from({ length: job.callers }, (_, n) =>
    caller(n).catch((error: unknown) => void failures.push(failureOf(error))),
  );
  await Promise.all(callers);
  clearInterval(sampled);
  const took = performance.now() - began;
  const after = work.counts();
  const sorted = Float64Array.from(times).sort();
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return {
    done,
    ms: took,
    transactions: after.transactions - before.transactions,
    retries: after.retries - before.retries,
    latency: { p50: at(0.5), p99: at(0.99), longest: at(1) },
    rssMb: process.memoryUsage.rss() / 2 ** 20,
    heapMb: heap / 2 ** 20,
    told,
    failures: failures.length > 3 ? [...failures.slice(0, 3), `and ${failures.length - 3} more`] : failures,
  };
}
