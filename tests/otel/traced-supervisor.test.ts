/** Spans of supervised runs, as an SDK of OpenTelemetry records them: their tree, and figures equal to the ledger's. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, type ContextManager, context, ROOT_CONTEXT, SpanKind, type Tracer } from "@opentelemetry/api";
import { expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { tracedSupervisor } from "../../src/otel/traced-supervisor.js";
import { driverChild } from "../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../src/supervise/driver/scripted-chat.js";
import { useClients } from "../ledger/client.js";
import { agent, echo, endless, failing, ROOM, turn } from "../supervise/agents.js";
import { calls, driverOf, over } from "../supervise/driver/workers.js";
import { attributesOf, recording, treeOf } from "./recorded.js";

const clients = useClients();
const RUN = { runId: "r", budget: { tokens: 2_000, iterations: 9 } };
const perWorker = { maxTokens: 100, maxIterations: 1 };

it("a run of nested drivers: a span each, below the one that asked for it, with the figures of the trajectory", async () => {
  const ledger = await clients.open();
  const { tracerProvider, spans } = recording();
  const inner = coordinationDriverAgent(
    driverOf(
      scriptedChat([
        {
          ...calls("spawn_worker", { profile: "echo", task: "a" }),
          usage: { input: 70, output: 7, cacheRead: 40 },
          costUsd: "0.003",
        },
        { toolCalls: [{ name: "await_event" }], costUsd: "0.001" },
        over,
      ]),
      { perWorker },
    ),
  );
  const outer = scriptedChat(
    [
      {
        ...calls("spawn_worker", { profile: "inner", task: "b", budget: { tokens: 500, iterations: 2 } }),
        usage: { input: 100, output: 50, reasoning: 20 },
        costUsd: "0.01",
        providerRequestId: "req-1",
      },
      {
        toolCalls: [{ name: "spawn_worker", arguments: { profile: "failing", task: "c" } }],
        usage: { input: 60, output: 6 },
      },
      { ...calls("await_event"), usage: { input: 5, output: 5 }, costUsd: 0 },
      { ...calls("await_event"), usage: { input: 5, output: 5 }, costUsd: 0 },
      over,
    ],
    { provider: "openai", model: "gpt-x" },
  );
  const profiles = { echo, failing, inner: driverChild(inner) };
  const root = coordinationDriverAgent(driverOf(outer, { profiles, perWorker }));
  const result = await tracedSupervisor({ ledger }, { tracerProvider }).run(root, "go", {
    ...RUN,
    label: "trip",
  });
  expect(result.kind).toBe("winner");

  const [told] = treeOf(spans());
  expect(treeOf(spans())).toHaveLength(1);
  expect(told?.span).toBe("agent.run r");
  expect(told?.below.map(({ span }) => span).toSorted()).toEqual([
    "agent.child r:s0 done",
    "agent.child r:s1 down !",
    "agent.turn r 0",
    "agent.turn r 1",
    "agent.turn r 2",
    "agent.turn r 3",
    "agent.turn r 4",
  ]);
  const nested = told?.below.find(({ span }) => span.startsWith("agent.child r:s0"));
  expect(nested?.below.map(({ span }) => span).toSorted()).toEqual([
    "agent.child r:s0:s0 done",
    "agent.turn r:s0 0",
    "agent.turn r:s0 1",
    "agent.turn r:s0 2",
  ]);

  await expectFigures(ledger, spans());
  const turns = spans().filter(({ name }) => name === "agent.turn");
  const first = turns.find(({ attributes }) => attributes["gen_ai.response.id"] === "req-1");
  expect(first).toMatchObject({ kind: SpanKind.CLIENT, attributes: TURN });
  expect(first?.attributes["agent_ledger.event.id"]).toMatch(/^r\/turn\/\d+$/);
  // No dollars were stated: unknown, not 0.
  const silent = turns.find(({ attributes }) => attributes["gen_ai.usage.input_tokens"] === 60);
  expect(silent?.attributes).toMatchObject({ "agent_ledger.usage.usd_known": false });
  expect(silent?.attributes).not.toHaveProperty("agent_ledger.usage.usd");
  // No tokens either.
  const unknown = turns.find(({ attributes }) => attributes["agent_ledger.usage.tokens_known"] === false);
  expect(Object.keys(unknown?.attributes ?? {}).filter((name) => name.startsWith("gen_ai.usage."))).toEqual([]);
  expect(unknown?.attributes["agent_ledger.usage.usd"]).toBe(0.001);
  const down = spans().find(({ attributes }) => attributes["agent_ledger.status"] === "down");
  expect(down?.status.message).toContain("cannot: c");
  expect(down?.attributes).toMatchObject({ "error.type": "down", "gen_ai.agent.name": expect.any(String) });
  expect(spans().every((span) => span.ended && span.duration[0] >= 0)).toBe(true);
});

const TURN = {
  "gen_ai.operation.name": "chat",
  "gen_ai.provider.name": "openai",
  "gen_ai.request.model": "gpt-x",
  "gen_ai.usage.input_tokens": 100,
  "gen_ai.usage.output_tokens": 50,
  "gen_ai.usage.reasoning.output_tokens": 20,
  "agent_ledger.usage.usd": 0.01,
  "agent_ledger.usage.usd_known": true,
  "agent_ledger.turn.tool_calls": ["spawn_worker"],
};

/** The spans of nodes against the trajectory: of the run and of drivers, what is below them too. */
async function expectFigures(ledger: Ledger, spans: ReturnType<ReturnType<typeof recording>["spans"]>): Promise<void> {
  const rows = await ledger.trajectory("r");
  expect(rows.length).toBeGreaterThan(1);
  for (const row of rows) {
    const said = attributesOf(spans, row.node_id);
    const isSilent = !row.rolled_up_usd_known && Number(row.rolled_up_usd) === 0;
    const dollars = isSilent ? undefined : Number(row.rolled_up_usd);
    expect([row.node_id, said["gen_ai.usage.input_tokens"] ?? 0]).toEqual([
      row.node_id,
      Number(row.rolled_up_input_tokens),
    ]);
    expect(said["gen_ai.usage.output_tokens"] ?? 0).toBe(Number(row.rolled_up_output_tokens));
    expect(said["gen_ai.usage.cache_read.input_tokens"] ?? 0).toBe(Number(row.rolled_up_cache_read_tokens));
    expect(said["gen_ai.usage.reasoning.output_tokens"] ?? 0).toBe(Number(row.rolled_up_reasoning_tokens));
    expect(said["agent_ledger.usage.tokens_known"]).toBe(row.rolled_up_tokens_known);
    expect(said["agent_ledger.usage.usd"]).toBe(dollars);
    expect(said["agent_ledger.usage.usd_known"]).toBe(row.rolled_up_usd_known);
    expect(said["agent_ledger.usage.iterations"]).toBe(Number(row.rolled_up_iterations));
  }
}

it("a run that is resumed has a span per life; what an earlier life spawned has one from what is known", async () => {
  const first = await clients.open();
  const lost = recording();
  const options = { ...RUN, leaseMs: 300, teardownGraceMs: 50 };
  const dying = agent(async (scope) => {
    await scope.spawn(endless, "x", { label: "endless", budget: ROOM });
    await first.close();
    throw new Error("never heard");
  });
  const before = tracedSupervisor({ ledger: first }, { tracerProvider: lost.tracerProvider });
  await expect(before.run(dying, null, options)).rejects.toMatchObject({ name: "ledger_closed" });
  expect(treeOf(lost.spans())).toEqual([{ span: "agent.run r !", below: [{ span: "agent.child r:s0", below: [] }] }]);
  expect(attributesOf(lost.spans(), "r:s0")).toMatchObject({ "agent_ledger.left_open": true });

  const ledger = clients.again(first);
  const { tracerProvider, spans } = recording();
  const root = agent(async (scope) => {
    await scope.next();
    await turn(scope, 0, { input: 3, output: 1, usd: 0 });
    return undefined;
  });
  const result = await tracedSupervisor({ ledger }, { tracerProvider }).run(root, null, { ...options, resume: true });
  expect(result).toMatchObject({ kind: "no-winner", reason: "all-children-down" });
  expect(treeOf(spans())).toEqual([
    {
      span: "agent.run r !",
      below: [
        { span: "agent.child r:s0 expired !", below: [] },
        { span: "agent.turn r 0", below: [] },
      ],
    },
  ]);
  expect(attributesOf(spans(), "r:s0")).toMatchObject({
    "agent_ledger.earlier_life": true,
    "agent_ledger.infra": true,
  });
  expect(attributesOf(spans(), "r")).toMatchObject({ "error.type": "all-children-down", "agent_ledger.down_count": 1 });
});

it("a count that nobody stated is left out, and what is there is marked as not all", async () => {
  const ledger = await clients.open();
  const { tracerProvider, spans } = recording();
  const root = agent(async (scope) => {
    const call = { kind: "driver-inference", driver: "driver", toolCalls: [] } as const;
    await scope.meter({ input_tokens: 5, cache_read_tokens: 0 }, { ...call, turn: 0 });
    await scope.meter({ input_tokens: 5, output_tokens: 1, cache_read_tokens: 0 }, { ...call, turn: 1 });
    await scope.spawn(echo, "x", { label: "echo", budget: ROOM });
    await scope.next();
    return "value";
  });
  await tracedSupervisor({ ledger }, { tracerProvider }).run(root, null, RUN);
  const usage = spans().map(({ name, attributes }) => [
    name,
    attributes["agent_ledger.usage.tokens_known"],
    Object.entries(attributes)
      .filter(([key]) => key.startsWith("gen_ai.usage."))
      .map(([key, count]) => `${key.slice(13)} ${count}`),
  ]);
  expect(usage).toEqual([
    ["agent.turn", false, ["input_tokens 5"]],
    ["agent.turn", true, ["input_tokens 5", "output_tokens 1", "cache_read.input_tokens 0"]],
    ["agent.child", true, ["input_tokens 10", "output_tokens 5"]],
    ["agent.run", false, ["input_tokens 20", "output_tokens 6"]],
  ]);
});

it("a tracer that fails changes nothing, whatever fails of it; other hooks hear all", async () => {
  const late = async (): Promise<never> => fail();
  const broken = new Proxy({}, { get: () => fail });
  const brokenLate = new Proxy({}, { get: () => late });
  const tracers = [fail, late, () => broken, () => brokenLate, () => undefined].map((startSpan) => ({ startSpan }));
  const sides = [
    ...tracers.map((tracer) => ({ tracer: tracer as unknown as Tracer })),
    { tracerProvider: { getTracer: fail } },
    { tracerProvider: { getTracer: late } as never },
  ];
  const ledger = await clients.open();
  for (const [place, tracing] of sides.entries()) {
    const heard: string[] = [];
    const errors: unknown[] = [];
    const supervisor = tracedSupervisor(
      { ledger, hooks: [({ target }) => void heard.push(target)], onHookError: (error) => void errors.push(error) },
      tracing,
    );
    const root = agent(async (scope) => {
      await turn(scope, 0, { input: 3, output: 1, usd: 0 });
      await scope.spawn(echo, "x", { label: "echo", budget: ROOM });
      const settled = await scope.next();
      return settled?.kind === "done" ? settled.out : undefined;
    });
    const result = await supervisor.run(root, null, { ...RUN, runId: `r${place}` });
    expect(result).toMatchObject({ kind: "winner", out: { said: "x" } });
    expect(heard.toSorted()).toEqual(["agent.child", "agent.spawn", "agent.turn"]);
    expect(errors).toEqual([]);
  }
});

function fail(): never {
  throw new Error("the tracer is broken");
}

it("is below the span that is active, is active itself while it runs, and says what is wrong with its options", async () => {
  const ledger = await clients.open();
  const { tracerProvider, spans } = recording();
  const tracer = tracerProvider.getTracer("mine");
  const supervisor = tracedSupervisor({ ledger }, { tracer });
  const root = agent(async () => {
    // What a library that is watched does.
    tracer.startSpan("http").end();
    return "value";
  });
  context.setGlobalContextManager(new AsyncContexts());
  try {
    await tracer.startActiveSpan("request", async (span) => {
      await supervisor.run(root, null, RUN);
      span.end();
    });
  } finally {
    context.disable();
  }
  const [told] = treeOf(spans());
  expect(told).toEqual({ span: "request", below: [{ span: "agent.run r", below: [{ span: "http", below: [] }] }] });
  expect(() => tracedSupervisor({ ledger }, { tracer: {} as Tracer })).toThrow(/tracing\.tracer: must be a tracer/);
  expect(() => tracedSupervisor({ ledger }, { tracer, tracerProvider })).toThrow(
    /tracing\.tracerProvider: .*one of them/,
  );
  expect(() => tracedSupervisor({} as never)).toThrow(/options\.ledger/);
  await expect(supervisor.run(root, null, {} as never)).rejects.toMatchObject({ code: "LG001" });
});

/** Contexts that follow asynchronous work, as the SDK for Node has them. */
class AsyncContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(active, () => work.call(thisArg as never, ...args));
  }

  bind<T>(_: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}
