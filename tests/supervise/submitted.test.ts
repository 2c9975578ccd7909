/** What a driver submits has the verdict of its check, at every depth; a stream that never waits can be ended all the same. */
import { expect, it } from "vitest";
import type { UsageEvent } from "../../src/ledger/spend.js";
import { driverChild } from "../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../src/supervise/driver/scripted-chat.js";
import { streamingWorker } from "../../src/supervise/executors.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";

const clients = useClients();
const budget = { tokens: 1_000, iterations: 10 };
const perWorker = { maxTokens: 100, maxIterations: 1 };

it("wins for the driver that submitted it, and for the one above", async () => {
  const ledger = await clients.open();
  const submit = { name: "submit_result", arguments: { result: { answer: 42 } } };
  const inner = coordinationDriverAgent({
    name: "inner",
    chat: scriptedChat([{ toolCalls: [submit] }], { inference: "none" }),
    profiles: {},
    perWorker,
    check: () => ({ valid: true, score: 0.7, notes: "as asked" }),
  });
  const spawn = {
    name: "spawn_worker",
    arguments: { profile: "inner", task: "t", budget: { tokens: 500, iterations: 2 } },
  };
  const outer = coordinationDriverAgent({
    name: "outer",
    chat: scriptedChat([{ toolCalls: [spawn, { name: "await_event" }] }, {}], { inference: "none" }),
    profiles: { inner: driverChild(inner) },
    perWorker,
  });
  const result = await createSupervisor({ ledger }).run(outer, "t", { runId: "r", budget });
  expect(result).toMatchObject({ kind: "winner", out: { answer: 42 }, verdict: { valid: true, score: 0.7 } });
  expect(result.tree.find(({ nodeId }) => nodeId === "r:s0")?.verdict).toEqual({
    valid: true,
    score: 0.7,
    notes: "as asked",
  });
});

it("that floods is aborted, and what it told until then is booked", async () => {
  const ledger = await clients.open();
  const flood = streamingWorker("flood", async function* (): AsyncGenerator<UsageEvent, { out: unknown }> {
    yield { type: "tokens", input: 7, output: 3 };
    for (;;) yield { type: "progress" };
  });
  const result = await createSupervisor({ ledger }).run(
    {
      name: "root",
      async act(_task, scope) {
        const spawned = await scope.spawn(flood, null, { label: "flood", budget: { tokens: 100, iterations: 1 } });
        if (spawned.ok) scope.cancel(spawned.handle.nodeId, "enough");
        const settled = await scope.next();
        return settled?.kind === "down" ? { reason: settled.reason, infra: settled.infra } : undefined;
      },
    },
    null,
    { runId: "r", budget, teardownGraceMs: 50 },
  );
  expect(result).toMatchObject({ kind: "winner", out: { reason: "enough", infra: true } });
  expect(result.spentTotal).toMatchObject({ input_tokens: 7, output_tokens: 3, tokens_known: false });
});
