/** Agents written by hand, for tests of runs: what a driver does is what the test says. */
import type { Agent } from "../../src/supervise/agent.js";
import type { Verdict } from "../../src/supervise/executor.js";
import { worker } from "../../src/supervise/executors.js";
import type { Scope } from "../../src/supervise/scope.js";

/** A driver that does this. */
export function agent<Value>(act: (scope: Scope, task: unknown) => Promise<Value | undefined>): Agent<unknown, Value> {
  return { name: "driver", act: (task, scope) => act(scope, task) };
}

/** What every test's workers may hold. */
export const ROOM = { tokens: 100, iterations: 1 };

/** Takes 10 tokens in and 5 out, and says what it was told. */
export const echo = worker("echo", (task) => said(task));

/** Fails, after it was paid for. */
export const failing = worker("failing", (task) => {
  throw new Error(`cannot: ${String(task)}`);
});

/** Works until it is told to stop. */
export const endless = worker(
  "endless",
  (task, signal) =>
    new Promise((resolve) => {
      const stop = (): void => resolve(said(task));
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    }),
);

function said(task: unknown) {
  const verdict: Verdict = { valid: true, score: 0.5 };
  return { out: { said: task ?? null }, verdict, spent: { input_tokens: 10, output_tokens: 5, usd: 0 } };
}

/** One model call of a driver, announced and metered. */
export async function turn(
  scope: Scope,
  number: number,
  spend: { input?: number; output?: number; usd?: number | string },
  toolCalls: readonly string[] = [],
): Promise<void> {
  const detail = { kind: "driver-inference", driver: "driver", turn: number, model: "m" } as const;
  const call = await scope.dispatchCall(detail);
  const { input, output, usd } = spend;
  const told = { input_tokens: input, output_tokens: output, usd };
  await scope.meter(told, { ...detail, toolCalls, call });
}
