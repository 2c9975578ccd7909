/** Whatever is thrown, wherever: the child ends, what it told is kept, and nobody else is ended by it. */
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { expect, it } from "vitest";
import type { UsageEvent } from "../../../src/ledger/spend.js";
import { driverChild, type Worker } from "../../../src/supervise/agent.js";
import { streamingWorker, worker } from "../../../src/supervise/executors.js";
import { reasonOf } from "../../../src/supervise/scope/reasons.js";
import { useClients } from "../../ledger/client.js";
import { gate, openRun } from "./run.js";

const clients = useClients();

const ROOM = { label: "w", budget: { tokens: 100, iterations: 1, usd: "0.1" } };

/** As clients of APIs make them of a body. */
const body = (): Error => Object.assign(new Error("x"), { message: { code: 402 } });

function cycle(): object {
  const object = Object.create(null);
  object.self = object;
  return object;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const unreadable = {
  get message(): string {
    throw cycle();
  },
};

it.each<[string, unknown, string]>([
  ["a message that is an object", body(), '{"code":402}'],
  ["a message that is a number", Object.assign(new Error("x"), { message: 42 }), "42"],
  ["no message", new TypeError(), "TypeError"],
  [
    "a message that throws",
    Object.defineProperties(new Error("x"), Object.getOwnPropertyDescriptors(unreadable)),
    "a reason that cannot be read",
  ],
  ["a cycle of no prototype", cycle(), "a reason that cannot be read"],
  ["a revoked proxy", revoked(), "a reason that cannot be read"],
  ["nothing", undefined, "undefined"],
  ["a symbol", Symbol("s"), "Symbol(s)"],
])("the reason of what was thrown is text: %s", (_name, thrown, reason) => {
  expect(reasonOf(thrown)).toBe(reason);
});

it.each<[string, () => unknown, string]>([
  ["an error of a body", body, '{"code":402}'],
  ["a cycle", cycle, "a reason that cannot be read"],
  ["a revoked proxy", revoked, "a reason that cannot be read"],
])(
  "a leaf that throws %s keeps what it told; one that cannot be made has spent nothing",
  async (_name, made, reason) => {
    const ledger = await clients.open();
    const { scope, controller } = await openRun(ledger);
    const breaking = streamingWorker("w", async function* () {
      yield { type: "tokens", input: 60, output: 30 } satisfies UsageEvent;
      yield { type: "cost", usd: "0.5" } satisfies UsageEvent;
      throw made();
    });
    await scope.spawn(breaking, null, ROOM);
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason,
      infra: false,
      spent: { input_tokens: 60, output_tokens: 30, usd: "0.5", tokens_known: false, usd_known: false },
    });
    const unmade: Worker = {
      name: "w",
      runtime: "test",
      executor: () => {
        throw made();
      },
    };
    await scope.spawn(unmade, null, ROOM);
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason,
      infra: false,
      spent: { input_tokens: 0, usd: "0", tokens_known: true, usd_known: true },
    });
    await scope.spawn(driverChild({ name: "d", act: () => Promise.reject(made()) }), null, ROOM);
    expect(await scope.next()).toMatchObject({ kind: "down", reason, infra: false });
    const stoppable = worker("w", async (_task, signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { out: 1, spent: { input_tokens: 8, output_tokens: 2, usd: "0.003" } };
    });
    await scope.spawn(stoppable, null, ROOM);
    controller.abort(made());
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason,
      infra: true,
      spent: { input_tokens: 8, usd: "0.003", tokens_known: true, usd_known: true },
    });
  },
);

it("a result that cannot be read is down, its spend unknown", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  const spent = { input_tokens: 8, output_tokens: 2, usd: "0.003" };
  const results = [
    {
      out: 1,
      get spent(): never {
        throw new Error("no figures");
      },
    },
    {
      out: 1,
      spent,
      get verdict(): never {
        throw new Error("no verdict");
      },
    },
  ];
  for (const result of results)
    await scope.spawn(
      worker("w", () => result),
      null,
      ROOM,
    );
  const settled = [await scope.next(), await scope.next()];
  expect(settled).toContainEqual(
    expect.objectContaining({
      reason: "no figures",
      spent: expect.objectContaining({ iterations: 1, usd: "0.1", tokens_known: false, usd_known: false }),
    }),
  );
  expect(settled).toContainEqual(
    expect.objectContaining({
      reason: "no verdict",
      spent: expect.objectContaining({ input_tokens: 8, usd: "0.003", tokens_known: true, usd_known: true }),
    }),
  );
});

it("a drain waits for teardowns of children that ended long before", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger, undefined, { graceMs: 10_000 });
  const [tearing, nested] = [gate(), gate()];
  const torn: string[] = [];
  const slow = (name: string, { opened }: { opened: Promise<void> }): Worker => ({
    name,
    runtime: "test",
    executor: () => ({
      runtime: "test",
      execute: async () => ({ out: name, spent: { input_tokens: 1, output_tokens: 1, usd: 0 } }),
      teardown: async () => {
        await opened;
        torn.push(name);
      },
    }),
  });
  await scope.spawn(slow("leaf", tearing), null, ROOM);
  expect(await scope.next()).toMatchObject({ kind: "done", out: "leaf" });
  const below = driverChild({
    name: "d",
    act: async (_task, own) => {
      await own.spawn(slow("nested", nested), null, { label: "w", budget: { tokens: 10, iterations: 1, usd: 0 } });
      await own.next();
      return "nested is done";
    },
  });
  await scope.spawn(below, null, ROOM);
  nested.open();
  expect(await scope.next()).toMatchObject({ kind: "done", out: "nested is done" });
  expect(torn).toEqual(["nested"]);
  let drained = false;
  const draining = scope.drain("over", 10_000).then(() => {
    drained = true;
  });
  for (let turn = 0; turn < 5; turn++) await turnOfTheLoop();
  expect(drained).toBe(false);
  tearing.open();
  await draining;
  expect(torn).toEqual(["nested", "leaf"]);
});

it("a scope whose driver has ended spawns nothing more, and still hears of its end", async () => {
  const ledger = await clients.open();
  const { scope, controller } = await openRun(ledger);
  const late = gate();
  const spawned: unknown[] = [];
  const echo = worker("w", () => ({ out: 1, spent: { input_tokens: 1, output_tokens: 1, usd: 0 } }));
  const ended = driverChild({
    name: "d",
    act: async (_task, own) => {
      void late.opened.then(async () => spawned.push(await own.spawn(echo, null, ROOM)));
      return "made";
    },
  });
  await scope.spawn(ended, null, ROOM);
  expect(await scope.next()).toMatchObject({ kind: "done", out: "made" });
  late.open();
  await expect.poll(() => spawned).toEqual([{ ok: false, code: "scope-aborted", shortfall: [] }]);
  scope.close();
  expect(await scope.spawn(echo, null, ROOM)).toMatchObject({ ok: false, code: "scope-aborted" });
  expect(scope.signal.aborted).toBe(false);
  controller.abort("over");
  expect(scope.signal.reason).toBe("over");
});
