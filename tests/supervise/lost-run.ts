/**
 * A run in a process of its own, to be killed: `tsx lost-run.ts <url> <tenant>`. When it writes `ready`, one keyed worker is done and
 * delivered, one is done and not delivered, one is at work and has reported a part, a nested driver has metered a turn and is in the
 * middle of the next, and so is the root.
 */
import { pathToFileURL } from "node:url";
import { createLedger } from "../../src/ledger/ledger.js";
import { driverChild } from "../../src/supervise/agent.js";
import { streamingWorker } from "../../src/supervise/executors.js";
import type { RunOptions } from "../../src/supervise/run/run-options.js";
import type { Scope } from "../../src/supervise/scope.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { agent, echo, ROOM, turn } from "./agents.js";

export const OPTIONS: RunOptions = { runId: "r", budget: { tokens: 1_000, iterations: 10, usd: 1 }, leaseMs: 1_000 };
export const PAID = { ...ROOM, usd: "0.1" };

/** What the nested driver may spend. */
const NESTED = { tokens: 200, iterations: 1, usd: "0.2" };

const never = (): Promise<never> => new Promise(() => {});

/** A model call that is announced, and never answered. */
async function call(scope: Scope, number: number): Promise<void> {
  await scope.dispatchCall({ kind: "driver-inference", driver: "driver", turn: number, model: "m" });
}

/** Tells whoever reports to it when all have. */
function signals(count: number, then: () => void): () => void {
  let left = count;
  return () => {
    left -= 1;
    if (left === 0) then();
  };
}

async function main(url: string, tenantId: string): Promise<void> {
  const ledger = createLedger({ connectionString: url, tenantId });
  // The nested driver, the streaming worker, and the root.
  const isThere = signals(3, () => process.stdout.write("ready\n"));
  const streaming = streamingWorker("streaming", async function* () {
    yield { type: "tokens", input: 30, output: 10 };
    isThere();
    return await never();
  });
  const nested = driverChild(
    agent(async (scope) => {
      await turn(scope, 0, { input: 40, output: 20, usd: "0.04" });
      await call(scope, 1);
      isThere();
      return never();
    }),
  );
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 100, output: 50, usd: "0.01" });
    await scope.spawn(echo, "keyed", { label: "keyed", key: "k", budget: PAID });
    await scope.next();
    await scope.spawn(echo, "undelivered", { label: "undelivered", budget: PAID });
    while ((await scope.child("r:s1"))?.status !== "done");
    await scope.spawn(streaming, "lost", { label: "lost", budget: PAID });
    await scope.spawn(nested, null, { label: "nested", budget: NESTED });
    await call(scope, 1);
    isThere();
    return never();
  });
  await createSupervisor({ ledger }).run(root, null, OPTIONS);
}

const [, program = "", url = "", tenantId = ""] = process.argv;
if (import.meta.url === pathToFileURL(program).href) await main(url, tenantId);
