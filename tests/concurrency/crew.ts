/** Client processes: real parallelism, and something that can be killed without killing the test. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Job, Order, Reply, Report } from "./jobs.js";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Processes that each do one job at a time. */
export interface Crew {
  /** Gives the first workers a job each, all at once, and waits for all reports. */
  run(url: string, jobs: readonly Job[]): Promise<Report[]>;
  /** Gives one of them a job. */
  give(index: number, url: string, job: Job): Promise<Report>;
  /** Sends a signal to one of them. */
  signal(index: number, signal: NodeJS.Signals): void;
  /** Ends the processes. */
  stop(): Promise<void>;
}

/** Starts `size` processes. */
export function startCrew(size: number): Crew {
  const workers = Array.from({ length: size }, () => fork(WORKER, { cwd: ROOT, execArgv: ["--import", "tsx"] }));
  let orders = 0;
  const give = (index: number, url: string, job: Job): Promise<Report> =>
    ask(workers[index] as ChildProcess, { number: orders++, url, job });
  return {
    give,
    run: (url, jobs) => Promise.all(jobs.map((job, index) => give(index, url, job))),
    signal(index, signal) {
      workers[index]?.kill(signal);
    },
    async stop() {
      await Promise.all(workers.map(end));
    },
  };
}

function ask(worker: ChildProcess, order: Order): Promise<Report> {
  return new Promise((resolve, reject) => {
    const onEnd = (): void => reject(new Error("the worker ended"));
    const onReply = (reply: Reply): void => {
      if (reply.number !== order.number) return;
      worker.off("message", onReply).off("exit", onEnd);
      if ("report" in reply) resolve(reply.report);
      else reject(new Error(reply.failure));
    };
    worker.on("message", onReply).once("exit", onEnd);
    worker.send(order);
  });
}

async function end(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const ended = once(worker, "exit");
  worker.kill("SIGKILL");
  await ended;
}
