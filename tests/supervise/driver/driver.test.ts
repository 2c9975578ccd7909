/** The loop of the coordination driver: when it stops, what it books, what it comes back with. */
import { describe, expect, it } from "vitest";
import { coordinationDriverAgent } from "../../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../../src/supervise/driver/scripted-chat.js";
import { worker } from "../../../src/supervise/executors.js";
import type { Scope } from "../../../src/supervise/scope.js";
import { useClients } from "../../ledger/client.js";
import { gate } from "../scope/run.js";
import { useDriverRuns } from "./drivers.js";
import { calls, driverOf, forever, over, results } from "./workers.js";

const clients = useClients();

const setUp = useDriverRuns(clients);

describe("the driver", () => {
  it("books each turn with its number and its tools, and comes back with its worker's result", async () => {
    const { scope, events, ledger } = await setUp({ tokens: 1_000, iterations: 10, usd: 1 });
    const chat = scriptedChat([
      { ...calls("spawn_worker", { profile: "echo", task: "hi" }), usage: { input: 100, output: 50 }, costUsd: 0.01 },
      { ...calls("await_event"), usage: { input: 80, output: 40 }, costUsd: 0.008 },
      { content: "done", usage: { input: 30, output: 10 }, costUsd: 0.002 },
    ]);
    expect(await coordinationDriverAgent(driverOf(chat)).act("do it", scope)).toEqual({ said: "hi" });

    const turns = events.filter(({ target }) => target === "agent.turn").map(({ payload }) => payload);
    expect(turns).toMatchObject([
      { turn: 0, toolCalls: ["spawn_worker"], kind: "driver-inference", driver: "d" },
      { turn: 1, toolCalls: ["await_event"], kind: "driver-inference", driver: "d" },
      { turn: 2, toolCalls: [], kind: "driver-inference", driver: "d" },
    ]);
    expect(await ledger.spentBreakdown("r")).toMatchObject([
      { source: "driver_inference", input_tokens: "210", output_tokens: "100", usd: "0.02", iterations: "0" },
      { source: "child_work", input_tokens: "10", output_tokens: "5", iterations: "1" },
      { source: "total", input_tokens: "220", output_tokens: "105", usd: "0.02", iterations: "1" },
    ]);
    expect(chat.requests[0]?.messages).toMatchObject([{ role: "system" }, { role: "user", content: "do it" }]);
    expect(results(chat.requests[2]?.messages ?? [])).toMatchObject([
      { workerId: "r:s0" },
      { kind: "settled", workerId: "r:s0", label: "echo", status: "done", output: { said: "hi" } },
    ]);
    expect(await ledger.db.selectFrom("calls_in_doubt").selectAll().execute()).toEqual([]);
  });

  it("that never stops is stopped by its tokens", async () => {
    const { scope, metered } = await setUp({ tokens: 1_000, iterations: 10 });
    const chat = scriptedChat(forever({ ...calls("list_questions"), usage: { input: 150, output: 50 } }));
    const agent = coordinationDriverAgent(driverOf(chat, { maxTurns: 0, perWorker: { maxTokens: 500 } }));
    expect(await agent.act(null, scope)).toBeUndefined();
    expect(await metered()).toHaveLength(3);
    expect(await scope.budget()).toMatchObject({ tokensLeft: 400 });
    expect(scope.starved).toBe(true);
  });

  it("that never stops is stopped by its dollars", async () => {
    const { scope, metered } = await setUp({ tokens: 1_000, iterations: 10, usd: "0.10" });
    const chat = scriptedChat(forever({ ...calls("list_questions"), usage: { input: 1, output: 1 }, costUsd: 0.04 }));
    const agent = coordinationDriverAgent(driverOf(chat, { maxTurns: 0, perWorker: { maxTokens: 1 } }));
    expect(await agent.act(null, scope)).toBeUndefined();
    expect(await metered()).toHaveLength(3);
    expect(await scope.budget()).toMatchObject({ usdLeft: "-0.02" });
    expect(scope.starved).toBe(true);
  });

  it("whose model reports no usage fails after 20 calls, over restarts and whatever maxTurns says", async () => {
    const { ledger, scope, metered } = await setUp({ tokens: 1_000, iterations: 10 });
    const silent = { toolCalls: [{ name: "list_questions" }] };
    const first = scriptedChat([...Array<object>(8).fill(silent), { error: new Error("lost") }]);
    await expect(coordinationDriverAgent(driverOf(first, { maxTurns: 20 })).act(null, scope)).rejects.toThrow("lost");

    const chat = scriptedChat(forever(silent));
    const agent = coordinationDriverAgent(driverOf(chat, { maxTurns: 20 }));
    await expect(agent.act(null, scope)).rejects.toMatchObject({ name: "unmetered" });
    const rows = await metered();
    expect(rows.map(({ turn, purpose }) => `${turn} ${purpose}`)).toEqual(
      Array.from({ length: 20 }, (_, turn) => `${turn} ${turn === 8 ? "failed" : "turn"}`),
    );
    expect(new Set(rows.map(({ tokens_known, usd_known }) => `${tokens_known} ${usd_known}`))).toEqual(
      new Set(["false false"]),
    );
    expect(await ledger.pool("r").readout()).toMatchObject({ tokensLeft: 1_000, tokensKnown: false });
  });

  it("books what was reported, nothing, and a cost alone, each as what it is", async () => {
    const { scope, metered, ledger } = await setUp({ tokens: 1_000, iterations: 10 });
    const chat = scriptedChat([
      { ...calls("list_questions"), usage: { input: 100, output: 50 }, costUsd: 0.01 },
      { toolCalls: [{ name: "list_questions" }] },
      { content: "", costUsd: 0 },
    ]);
    await coordinationDriverAgent(driverOf(chat)).act(null, scope);
    expect(await metered()).toMatchObject([
      { input_tokens: "100", output_tokens: "50", usd: "0.01", tokens_known: true, usd_known: true },
      { input_tokens: "0", output_tokens: "0", usd: null, tokens_known: false, usd_known: false },
      { input_tokens: "0", output_tokens: "0", usd: "0", tokens_known: false, usd_known: true },
    ]);
    expect(await ledger.spentBreakdown("r")).toMatchObject([
      { input_tokens: "100", output_tokens: "50", usd: "0.01", tokens_known: false, usd_known: false },
      {},
      {},
    ]);
  });

  it("is not starved while a child is in flight, and sees its refund once it has settled", async () => {
    const { scope } = await setUp({ tokens: 1_000, iterations: 10 });
    const { opened: release, open } = gate();
    const slow = worker("slow", async () => {
      await release;
      return { out: 1, verdict: { valid: true }, spent: { input_tokens: 10, output_tokens: 0, usd: 0 } };
    });
    const seen: unknown[] = [];
    const look = {
      name: "look",
      description: "",
      parameters: {},
      execute: async () => {
        const { tokensLeft } = await scope.budget();
        seen.push([tokensLeft, scope.live()]);
        open();
      },
    };
    const nothing = { usage: { input: 0, output: 0 } };
    const chat = scriptedChat([
      { ...calls("spawn_worker", { profile: "slow", task: 1 }), usage: { input: 100, output: 0 } },
      { ...calls("look"), ...nothing },
      { ...calls("await_event"), ...nothing },
      { ...calls("look"), ...nothing },
      over,
    ]);
    const agent = coordinationDriverAgent(
      driverOf(chat, {
        profiles: { slow: slow },
        perWorker: { maxTokens: 500, maxIterations: 1 },
        tools: [look],
      }),
    );
    expect(await agent.act(null, scope)).toBe(1);
    expect(seen).toEqual([
      [400, 1],
      [890, 0],
    ]);
    expect(scope.starved).toBe(false);
  });

  it("is not starved by a child that ends while its budget is read", async () => {
    const { scope } = await setUp({ tokens: 1_000, iterations: 10 });
    const { opened: release, open } = gate();
    const slow = worker("slow", async () => {
      await release;
      return { out: 1, verdict: { valid: true }, spent: { input_tokens: 10, output_tokens: 0, usd: 0 } };
    });
    const read: unknown[] = [];
    const racing: Scope = Object.create(scope, {
      budget: {
        value: async () => {
          const budget = await scope.budget();
          read.push(budget.tokensLeft);
          if (scope.live() === 0) return budget;
          open();
          await expect.poll(() => scope.live(), { timeout: 20_000 }).toBe(0);
          return budget;
        },
      },
    });
    for (const verb of [
      "live",
      "turns",
      "children",
      "onMessage",
      "dispatchCall",
      "meter",
      "spawn",
      "next",
      "output",
    ] as const) {
      Object.defineProperty(racing, verb, { value: scope[verb].bind(scope) });
    }
    const nothing = { usage: { input: 0, output: 0 } };
    const chat = scriptedChat([
      { ...calls("spawn_worker", { profile: "slow", task: 1 }), usage: { input: 100, output: 0 } },
      { ...calls("await_event"), ...nothing },
      over,
    ]);
    const options = driverOf(chat, { profiles: { slow }, perWorker: { maxTokens: 500, maxIterations: 1 } });
    expect(await coordinationDriverAgent(options).act(null, racing)).toBe(1);
    expect(read).toEqual([1_000, 400, 890]);
    expect(scope.starved).toBe(false);
  });
});
