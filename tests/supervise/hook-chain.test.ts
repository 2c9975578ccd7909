/** Hooks watch; nothing that one does reaches the run or another hook. */
import { expect, it } from "vitest";
import type { HookEvent } from "../../src/supervise/hooks.js";
import { HookChain } from "../../src/supervise/run/hook-chain.js";

const event = (id: string): HookEvent => ({
  id,
  runId: "run",
  target: "agent.turn",
  phase: "after",
  timestamp: 0,
  payload: { tools: ["a"] },
});

it("a hook that throws or rejects is told of, once per event, and the others hear every event in order", async () => {
  const heard: string[] = [];
  const errors: unknown[] = [];
  const chain = new HookChain(
    [
      ({ id, payload }) => {
        heard.push(`first ${id}`);
        (payload.tools as string[]).push("changed");
        throw new Error(`thrown at ${id}`);
      },
      async ({ id }) => {
        heard.push(`second ${id}`);
        throw new Error(`rejected at ${id}`);
      },
      ({ id, payload }) => {
        heard.push(`third ${id} ${payload.tools}`);
      },
    ],
    (error, { id }) => {
      errors.push([(error as Error).message, id]);
    },
  );
  chain.emit(event("1"));
  chain.emit(event("2"));
  expect(heard).toEqual(["first 1", "second 1", "third 1 a", "first 2", "second 2", "third 2 a"]);
  await chain.settled(1_000);
  expect(errors.sort()).toEqual([
    ["rejected at 1", "1"],
    ["rejected at 2", "2"],
    ["thrown at 1", "1"],
    ["thrown at 2", "2"],
  ]);
});

it("what the hearer of errors throws or rejects with goes nowhere", async () => {
  const hooks = [
    () => {
      throw new Error("thrown");
    },
    () => Promise.reject(new Error("rejected")),
  ];
  let heard = 0;
  const throwing = new HookChain(hooks, () => {
    heard += 1;
    throw new Error("again");
  });
  const rejecting = new HookChain(hooks, () => {
    heard += 1;
    return Promise.reject(new Error("again"));
  });
  for (const chain of [throwing, rejecting, new HookChain(hooks)]) {
    chain.emit(event("1"));
    await chain.settled(1_000);
  }
  expect(heard).toBe(4);
});

it("the end waits for hooks under way, but not for one that never ends", async () => {
  let release = (): void => {};
  let done = false;
  const chain = new HookChain([
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }).then(() => {
        done = true;
      }),
  ]);
  chain.emit(event("1"));
  await chain.settled(1);
  expect(done).toBe(false);
  const settled = chain.settled(60_000);
  release();
  await settled;
  expect(done).toBe(true);
});
