/** What a scope refuses, in its order, and what it says of keys. Refused work constructs nothing. */
import { describe, expect, it } from "vitest";
import type { Ledger } from "../../../src/ledger/ledger.js";
import { driverChild, type Worker } from "../../../src/supervise/agent.js";
import { worker } from "../../../src/supervise/executors.js";
import type { SpawnOptions } from "../../../src/supervise/scope.js";
import { useClients } from "../../ledger/client.js";
import { gate, openRun } from "./run.js";

const clients = useClients();

const asked: SpawnOptions = { label: "w", budget: { tokens: 100, iterations: 1, usd: "0.1" } };

/** A worker that tells how often it was made; its work ends when `release` is called. */
function counted() {
  const { opened, open } = gate();
  let made = 0;
  const inner = worker("counted", async (task) => {
    await opened;
    return { out: task, spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
  });
  const counting: Worker = {
    ...inner,
    executor(task, context) {
      made += 1;
      return inner.executor(task, context);
    },
  };
  return { worker: counting, open, made: () => made };
}

const idle = driverChild({ name: "idle", act: async () => undefined });

describe("a refused spawn", () => {
  it("tells the first rule that refuses: aborted, key, depth, live workers, ledger", async () => {
    const ledger = await clients.open();
    const { scope, controller } = await openRun(
      ledger,
      { tokens: 300, iterations: 3, usd: "0.3" },
      { maxDepth: 0, maxLiveWorkers: 1 },
    );
    const { worker: counting, open, made } = counted();
    const code = async (...[agent, task, change]: [Parameters<typeof scope.spawn>[0], unknown, object?]) => {
      const spawned = await scope.spawn(agent, task, { ...asked, ...change });
      return spawned.ok ? spawned.handle.nodeId : spawned.code;
    };
    const beyond = { budget: { tokens: 900, iterations: 9, usd: "9" } };
    expect(await code(counting, 1, { key: "k" })).toBe("r:s0");
    // Each breaks the rules below it too.
    expect(await code(idle, 2, { key: "k", ...beyond })).toBe("key-conflict");
    expect(await code(idle, 1, { key: "k", ...beyond })).toBe("duplicate-key");
    expect(await code(idle, 1, beyond)).toBe("depth-exceeded");
    expect(await code(counting, 1, beyond)).toBe("max-live-workers");
    open();
    expect(await scope.next()).toMatchObject({ kind: "done" });
    const short = await scope.spawn(counting, 1, { ...asked, ...beyond });
    expect(short).toMatchObject({
      ok: false,
      code: "budget-exhausted",
      shortfall: [
        { channel: "tokens", requested: "900", free: "298" },
        { channel: "iterations", requested: "9", free: "2" },
        { channel: "usd", requested: "9", free: "0.3" },
      ],
    });
    // The place was given back.
    expect(await code(counting, 1)).toBe("r:s1");
    controller.abort("stop");
    expect(await code(idle, 2, { key: "k", ...beyond })).toBe("scope-aborted");
    await scope.drain("over", 100);
    expect(made()).toBe(2);
  });

  it("names the field of malformed arguments, also where it would be refused", async () => {
    const ledger = await clients.open();
    const { scope, controller } = await openRun(ledger);
    controller.abort();
    const { worker: counting, made } = counted();
    await expect(scope.spawn(counting, 1, { ...asked, budget: { tokens: -1 } })).rejects.toMatchObject({
      code: "LG001",
      detail: { path: "options.budget.tokens" },
    });
    await expect(scope.spawn(counting, () => {}, { ...asked, key: "k" })).rejects.toMatchObject({
      code: "LG001",
      detail: { path: "task" },
    });
    expect(made()).toBe(0);
  });

  it("comes from the ledger in its own words", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger, { tokens: 1_000, iterations: 10 });
    const { worker: counting, made } = counted();
    const refusal = await scope.spawn(counting, 1, asked);
    expect(refusal).toMatchObject({ ok: false, code: "usd-unbudgeted" });
    await ledger.apply([{ op: "freeze", operation_id: "f", pool_id: "r" }]);
    expect(await scope.spawn(counting, 1, asked)).toMatchObject({ ok: false, code: "pool-frozen" });
    expect(made()).toBe(0);
  });
});

describe("a key", () => {
  const budget = { tokens: 100, iterations: 1, usd: "0.1" };
  const failing = worker("failing", () => {
    throw new Error("no luck");
  });
  const working = worker("working", (task) => ({
    out: { answer: task },
    verdict: { valid: true, score: 3 },
    spent: { input_tokens: 4, output_tokens: 2, usd: "0.01", ms: 1 },
  }));

  it("answers what is done without reserving; a failed task may be tried again with more room", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const task = { b: [1, 2], a: "x" };
    const spawn = (agent: Worker, of: unknown, change: object = {}) =>
      scope.spawn(agent, of, { label: "w", key: "k", budget, ...change });

    expect(await spawn(failing, task)).toMatchObject({ ok: true, handle: { nodeId: "r:s0" } });
    expect(await scope.next()).toMatchObject({ kind: "down", reason: "no luck", infra: false });
    // Down: a fresh spawn. Label and budget are no part of the task; the order of its keys is none either.
    const more = { label: "again", budget: { tokens: 200, iterations: 2, usd: "0.2" } };
    expect(await spawn(working, { a: "x", b: [1, 2] }, more)).toMatchObject({
      ok: true,
      handle: { nodeId: "r:s1", label: "again", key: "k" },
    });
    const first = await scope.next();
    const before = await scope.budget();
    const known = await spawn(failing, task);
    expect(known).toEqual({
      ok: true,
      handle: { nodeId: "r:s1", label: "again", key: "k", driver: false },
      settled: {
        kind: "done",
        handle: { nodeId: "r:s1", label: "again", key: "k", driver: false },
        out: { answer: task },
        outRef: first?.kind === "done" ? first.outRef : "",
        verdict: { valid: true, score: 3 },
        spent: first?.spent,
      },
    });
    expect(await scope.budget()).toEqual(before);
    expect(await spawn(working, { a: "y", b: [1, 2] })).toMatchObject({ ok: false, code: "key-conflict" });
    expect(await scope.next()).toBeNull();
    // In another process the same.
    const again = await openRun(clients.again(ledger) as Ledger);
    expect(await again.scope.spawn(failing, task, { label: "w", key: "k", budget })).toEqual(known);
  });

  it("is given to one of those who ask at once", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const other = await openRun(clients.again(ledger));
    const { worker: counting, open, made } = counted();
    const spawned = await Promise.all(
      [scope, other.scope, scope, other.scope].map((one) => one.spawn(counting, "t", { label: "w", key: "k", budget })),
    );
    expect(spawned.filter(({ ok }) => ok)).toHaveLength(1);
    expect(spawned.flatMap((one) => (one.ok ? [] : [one.code]))).toEqual(Array(3).fill("duplicate-key"));
    expect(made()).toBe(1);
    open();
    await Promise.all([scope.settleWithin(10_000), other.scope.settleWithin(10_000)]);
  });
});
