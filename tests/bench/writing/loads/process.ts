/** A load in a process of its own, so that its work and ours do not wait for each other. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Job, Order, Reply } from "./jobs.js";
import { accounted, type Load } from "./load.js";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

/** Starts a process and opens its job there. */
export async function startProcess(job: Job): Promise<Load> {
  const child = fork(WORKER, { cwd: ROOT, execArgv: ["--import", "tsx"] });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // It closes its connections when we are gone.
    child.disconnect();
    await ended;
  };
  const load = accounted(async (ms, phase) => {
    const reply = await ask(child, { ms, phase });
    if (!("turn" in reply)) throw new Error(`${job.work}: no turn`);
    return reply.turn;
  }, stop);
  await ask(child, { open: job }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return load;
}

function ask(child: ChildProcess, order: Order): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const onEnd = (): void => reject(new Error("a load process ended"));
    const onReply = (reply: Reply): void => {
      child.off("exit", onEnd);
      if ("failure" in reply) reject(new Error(reply.failure));
      else resolve(reply);
    };
    child.once("message", onReply).once("exit", onEnd);
    child.send(order);
  });
}
