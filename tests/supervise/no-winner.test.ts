/** Runs without a result: why, the first reason that applies; and the same when they are asked about again. */
import { describe, expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { driverChild } from "../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../src/supervise/driver/scripted-chat.js";
import type { RunOptions } from "../../src/supervise/run/run-options.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";
import { agent, echo, endless, failing, ROOM, turn } from "./agents.js";
import { driverOf, forever } from "./driver/workers.js";

const clients = useClients();

const BUDGET = { tokens: 1_000, iterations: 10 };

/** Never called: an ended run runs nothing. */
const nobody = agent(() => Promise.reject(new Error("must not be called")));

/** Runs it, and asks again: the second answer is the first. */
async function twice(
  ledger: Ledger,
  root: Parameters<ReturnType<typeof createSupervisor>["run"]>[0],
  more: object = {},
) {
  const options: RunOptions = { runId: "r", budget: BUDGET, ...more };
  const supervisor = createSupervisor({ ledger });
  const result = await supervisor.run(root, null, options);
  const { signal: _, ...again } = options;
  expect(await supervisor.run(nobody, null, { ...again, resume: true })).toEqual(result);
  return result;
}

const unreadable = Object.defineProperty(new Error("x"), "message", {
  get: () => {
    throw new Error("not mine to tell");
  },
});

const until = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

describe("the driver", () => {
  it("threw: driver-failed, with what it threw", async () => {
    const root = agent(async () => {
      throw new RangeError("out of range");
    });
    const result = await twice(await clients.open(), root);
    expect(result).toMatchObject({
      kind: "no-winner",
      reason: "driver-failed",
      error: { name: "RangeError", message: "out of range", stack: expect.stringContaining("no-winner.test.ts") },
      tree: [{ status: "down", reason: "driver-failed", verdict: { valid: false, notes: "RangeError: out of range" } }],
      spentTotal: { charged_tokens: 0 },
      spentBreakdown: { driverInference: { usd: "0" }, childWork: { usd: "0" }, total: { usd: "0" } },
    });
  });

  it.each([
    ["no error", "plain words", { name: "Error", message: "plain words" }],
    ["what cannot be read", unreadable, { name: "Error", message: "what was thrown cannot be read" }],
    ["no text that Postgres takes", new Error("a\0b\ud800"), { name: "Error", message: "ab\ufffd" }],
  ])("threw %s", async (_, thrown, error) => {
    const result = await twice(
      await clients.open(),
      agent(() => Promise.reject(thrown)),
    );
    expect(result).toMatchObject({ reason: "driver-failed", error });
  });

  it("came back with what has no JSON form", async () => {
    const root = agent<unknown>(async () => ({ answer: 42n }));
    const result = await twice(await clients.open(), root);
    expect(result).toMatchObject({ reason: "driver-failed", error: { name: "invalid_operation" } });
  });

  it("came back with nothing, its children down", async () => {
    const root = agent(async (scope) => {
      await scope.spawn(failing, "a", { label: "a", budget: ROOM });
      await scope.spawn(echo, "b", { label: "b", budget: ROOM });
      await scope.spawn(failing, "c", { label: "c", budget: ROOM });
      while (await scope.next());
      return undefined;
    });
    const result = await twice(await clients.open(), root);
    expect(result).toMatchObject({ kind: "no-winner", reason: "all-children-down", downCount: 2 });
    expect(result).not.toHaveProperty("error");
  });

  it("was refused because nothing was left: budget-exhausted", async () => {
    const root = agent(async (scope) => {
      await turn(scope, 0, { input: 900, output: 150, usd: 0 });
      await scope.spawn(echo, "a", { label: "a", budget: ROOM });
      return undefined;
    });
    expect(await twice(await clients.open(), root)).toMatchObject({ reason: "budget-exhausted", downCount: 0 });
  });

  it("that was given a channel of zero has not used it up", async () => {
    const options = { budget: { tokens: 1_000, iterations: 0, usd: 0 } };
    const idle = agent(async () => undefined);
    expect(await twice(await clients.open(), idle, options)).toMatchObject({ reason: "all-children-down" });
  });
});

describe("a coordination driver that never stops", () => {
  const looping = (usage: object) => {
    const line = { toolCalls: [{ name: "await_event" }], ...usage };
    return (perWorker: object) => {
      const chat = scriptedChat(forever(line), { model: "m" });
      return coordinationDriverAgent({ ...driverOf(chat), maxTurns: 0, perWorker });
    };
  };

  it("starves on tokens after three turns", async () => {
    const ledger = await clients.open();
    const root = looping({ usage: { input: 150, output: 50 }, costUsd: 0 })({ maxTokens: 500, maxIterations: 1 });
    const result = await twice(ledger, root, { budget: { tokens: 1_000, iterations: 9 } });
    expect(result).toMatchObject({
      kind: "no-winner",
      reason: "budget-exhausted",
      spentTotal: { charged_tokens: 600 },
    });
    expect(await ledger.pool("r").readout()).toMatchObject({ tokensLeft: 400 });
  });

  it("starves on dollars after three turns", async () => {
    const ledger = await clients.open();
    const root = looping({ usage: { input: 1, output: 1 }, costUsd: 0.04 })({ maxTokens: 5, maxIterations: 1 });
    expect(await twice(ledger, root, { budget: { usd: "0.1" } })).toMatchObject({ reason: "budget-exhausted" });
    expect(await ledger.pool("r").readout()).toMatchObject({ usdLeft: "-0.02" });
  });

  it("ends after 20 calls whose usage nobody reports", async () => {
    const root = looping({})({ maxTokens: 5, maxIterations: 1 });
    const result = await twice(await clients.open(), root, { budget: { tokens: 1_000 } });
    expect(result).toMatchObject({
      reason: "driver-failed",
      error: { name: "unmetered" },
      spentTotal: { tokens_known: false },
    });
  });
});

describe("the deadline", () => {
  /** Long enough for a child to begin. */
  const deadlineMs = 2_000;

  it("aborts what is at work; a driver with nothing to show is budget-exhausted", async () => {
    const root = agent(async (scope) => {
      await scope.spawn(endless, "a", { label: "a", budget: ROOM });
      const down = { kind: "down", reason: "deadline-passed", infra: true, spent: { charged_tokens: 15 } };
      expect(await scope.next()).toMatchObject(down);
      expect(await scope.spawn(echo, "b", { label: "b", budget: ROOM })).toMatchObject({ code: "scope-aborted" });
      return undefined;
    });
    const result = await twice(await clients.open(), root, { deadlineMs });
    expect(result).toMatchObject({ reason: "budget-exhausted", downCount: 1, spentTotal: { charged_tokens: 15 } });
  });

  it("bounds the grace for children; what the driver has is its result, also when it answers late", async () => {
    const late = agent(async (scope) => {
      await until(scope.signal);
      return "the best so far";
    });
    const early = agent(async (scope) => {
      await scope.spawn(endless, "a", { label: "a", budget: ROOM });
      return "value";
    });
    const [one, other] = [await clients.open(), await clients.open()];
    const [graceful, patient] = await Promise.all([
      twice(one, early, { deadlineMs, settleGraceMs: 3_600_000 }),
      twice(other, late, { deadlineMs }),
    ]);
    expect(graceful).toMatchObject({ kind: "winner", tree: [{}, { status: "down", reason: "deadline-passed" }] });
    expect(patient).toMatchObject({ kind: "winner", out: "the best so far" });
  });
});

describe("an abort", () => {
  it("ends the run, whatever the driver has; all below it is drained and booked", async () => {
    const controller = new AbortController();
    const inner = driverChild(
      agent(async (scope) => {
        await scope.spawn(endless, "deep", { label: "deep", budget: ROOM });
        controller.abort(new Error("enough"));
        await scope.next();
        return "inner";
      }),
    );
    const root = agent(async (scope) => {
      await scope.spawn(inner, null, { label: "inner", budget: { tokens: 200, iterations: 1 } });
      await until(scope.signal);
      return "too late";
    });
    const result = await twice(await clients.open(), root, { signal: controller.signal });
    expect(result).toMatchObject({
      kind: "no-winner",
      reason: "aborted",
      spentBreakdown: { childWork: { input_tokens: 10, output_tokens: 5 } },
      spendGaps: [],
      leakedReservations: [],
      tree: [
        { status: "down", reason: "aborted" },
        { status: "down", reason: "enough", infra: true },
        { status: "down", reason: "enough", infra: true },
      ],
    });
  });

  it("before the start: nothing is opened and nothing runs", async () => {
    const ledger = await clients.open();
    const options = { runId: "r", budget: BUDGET, signal: AbortSignal.abort() };
    const result = await createSupervisor({ ledger }).run(nobody, null, options);
    expect(result).toMatchObject({ kind: "no-winner", reason: "aborted", tree: [], spentTotal: { ms: 0, usd: "0" } });
    expect(result.spentBreakdown.childWork).toEqual(result.spentBreakdown.driverInference);
    expect(await ledger.db.selectFrom("nodes").selectAll().execute()).toEqual([]);
  });

  it("a driver that does not heed it is given up after the grace", async () => {
    const controller = new AbortController();
    const root = agent(() => {
      controller.abort("enough");
      return new Promise<string>(() => {});
    });
    const result = await twice(await clients.open(), root, { signal: controller.signal, teardownGraceMs: 20 });
    expect(result).toMatchObject({ reason: "aborted", leakedReservations: [] });
  });
});

describe("the breaker", () => {
  const restarts = { maxRestarts: 2, withinMs: 60_000 };
  const restarting = (downs: number) =>
    agent(async (scope) => {
      for (let n = 0; n < downs && !scope.signal.aborted; n++) {
        await scope.spawn(failing, n, { label: `w${n}`, budget: ROOM });
        await scope.next();
      }
      return "value";
    });

  it("lets as many go down as it allows", async () => {
    const result = await twice(await clients.open(), restarting(2), { restarts });
    expect(result).toMatchObject({ kind: "winner", out: "value", downCount: 2 });
  });

  it("trips at one more, and what the driver has does not count", async () => {
    const result = await twice(await clients.open(), restarting(3), { restarts });
    expect(result).toMatchObject({ kind: "no-winner", reason: "all-children-down", downCount: 3 });
  });

  it("does not count what was aborted, nor what a nested driver lost", async () => {
    const inner = driverChild(restarting(3));
    const root = agent(async (scope) => {
      await scope.spawn(inner, null, { label: "inner", budget: { tokens: 300, iterations: 3 } });
      await scope.next();
      const spawned = await scope.spawn(endless, "a", { label: "a", budget: ROOM });
      if (spawned.ok) scope.cancel(spawned.handle.nodeId, "not needed");
      await scope.next();
      return "value";
    });
    const none = { restarts: { maxRestarts: 0, withinMs: 60_000 } };
    expect(await twice(await clients.open(), root, none)).toMatchObject({ kind: "winner", downCount: 1 });
  });
});
