/** How a driver ends otherwise than by its last word: failures, aborts, deadlines, prices, restarts, results of its own. */
import { describe, expect, it } from "vitest";
import { ChatError, type DriverChat } from "../../../src/supervise/driver/chat.js";
import { coordinationDriverAgent } from "../../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../../src/supervise/driver/scripted-chat.js";
import { useClients } from "../../ledger/client.js";
import { useDriverRuns } from "./drivers.js";
import { calls, driverOf, echo, forever, judged, over, results } from "./workers.js";

const clients = useClients();
const setUp = useDriverRuns(clients);

describe("a driver", () => {
  it("whose call fails books what was reported, the rest as unknown, and throws the error", async () => {
    const { scope, metered, events, ledger } = await setUp();
    const error = new ChatError("502: gone\u0000", {
      usage: { input: 7 },
      costUsd: "0.25",
      providerRequestId: "req-1",
    });
    const chat: DriverChat = { provider: "acme", model: "large", complete: () => Promise.reject(error) };
    const agent = coordinationDriverAgent(driverOf(chat, { maxUsdPerCall: 0.5 }));
    await expect(agent.act(null, scope)).rejects.toBe(error);
    expect(await metered()).toMatchObject([
      {
        turn: 0,
        purpose: "failed",
        provider: "acme",
        model: "large",
        provider_request_id: "req-1",
        input_tokens: "7",
        usd: "0.25",
        tokens_known: false,
        usd_known: true,
        detail: { inferenceFailed: "ChatError: 502: gone ", driver: "d", kind: "driver-inference" },
      },
    ]);
    expect(events).toMatchObject([{ target: "agent.turn", phase: "error" }]);
    const announced = ledger.db.selectFrom("journal").select("detail").where("kind", "=", "dispatched");
    expect(await announced.execute()).toMatchObject([
      { detail: { detail: { max_usd: "0.5", turn: 0, model: "large" } } },
    ]);
  });

  it("books a call whatever its provider says of it", async () => {
    const { scope, metered } = await setUp({ tokens: 1_000, iterations: 10 });
    const turn = (usage: object, more: object = {}) => ({
      ...calls("list_questions"),
      costUsd: undefined,
      usage,
      ...more,
    });
    const script = [
      turn({ input: 10, output: 5, cacheRead: 8, cacheWrite: 3 }, { model: "x".repeat(300) }),
      turn({ input: 10, output: 5, reasoning: 6 }, { costUsd: -1 }),
      turn({ input: 1.5, output: 5 }, { costUsd: "0.0000000000015" }),
      turn({ input: 10, output: Number.NaN }, { costUsd: Number.NaN }),
      { ...over, usage: { input: 10, output: 5, cacheRead: 10, reasoning: 5 }, costUsd: 0.1 + 0.2 },
    ] as never;
    await coordinationDriverAgent(driverOf(scriptedChat(script, { model: "small" }))).act(null, scope);
    expect(
      (await metered()).map((row) => [row.input_tokens, row.output_tokens, row.tokens_known, row.usd, row.model]),
    ).toEqual([
      ["10", "5", false, null, "small"],
      ["10", "5", false, null, "small"],
      ["0", "5", false, "0.000000000002", "small"],
      ["10", "0", false, null, "small"],
      ["10", "5", true, "0.3", "small"],
    ]);
  });

  it("aborted in a model call books that, and comes back with the best there is", async () => {
    const { scope, controller, metered, ledger } = await setUp();
    let asked = 0;
    const chat: DriverChat = {
      complete: ({ signal }) => {
        asked += 1;
        if (asked === 1) {
          const args = JSON.stringify({ profile: "echo", task: 1 });
          return Promise.resolve({
            ...over,
            content: "",
            toolCalls: [{ id: "1", name: "spawn_worker", arguments: args }],
          });
        }
        if (asked === 2) {
          return Promise.resolve({
            ...over,
            content: "",
            toolCalls: [{ id: "2", name: "await_event", arguments: "" }],
          });
        }
        // A chat that does not heed its signal is left behind.
        queueMicrotask(() => controller.abort("enough"));
        expect(signal.aborted).toBe(false);
        return new Promise(() => {});
      },
    };
    expect(await coordinationDriverAgent(driverOf(chat)).act(null, scope)).toEqual({ said: 1 });
    expect((await metered()).map(({ turn, purpose, tokens_known }) => [turn, purpose, tokens_known])).toEqual([
      [0, "turn", true],
      [1, "turn", true],
      [2, "failed", false],
    ]);
    expect(await ledger.db.selectFrom("calls_in_doubt").selectAll().execute()).toEqual([]);
  });

  it("aborted or past its deadline asks its model nothing more", async () => {
    const never = scriptedChat([]);
    const late = await setUp(undefined, { deadlineMs: 1 });
    await expect
      .poll(async () => Date.now() > ((await late.scope.budget()).deadlineMs ?? 0), { timeout: 20_000 })
      .toBe(true);
    expect(await coordinationDriverAgent(driverOf(never)).act(null, late.scope)).toBeUndefined();
    const aborted = await setUp();
    aborted.controller.abort();
    expect(await coordinationDriverAgent(driverOf(never)).act(null, aborted.scope)).toBeUndefined();
    expect(never.requests).toEqual([]);
    expect([late.scope.starved, aborted.scope.starved]).toEqual([false, false]);
  });

  it("whose model has no price fails under a dollar cap before the next call, and runs no tool of that turn", async () => {
    const { scope, metered } = await setUp({ tokens: 1_000, iterations: 10, usd: 1 });
    const line = { ...calls("spawn_worker", { profile: "echo", task: 1 }), costUsd: undefined, model: "large-2" };
    const agent = coordinationDriverAgent(driverOf(scriptedChat(forever(line as never), { provider: "acme" })));
    await expect(agent.act(null, scope)).rejects.toMatchObject({
      name: "unpriced",
      message: expect.stringContaining("large-2"),
    });
    expect(await metered()).toHaveLength(1);
    expect(await scope.children()).toEqual([]);
  });

  it("whose model has a price goes on, and its cap sees the estimate", async () => {
    const { scope, metered, ledger } = await setUp({ tokens: 1_000, iterations: 10, usd: 1 });
    const price = { provider: "acme", model: "large" };
    await ledger.putPrices("own", [
      { ...price, token_class: "input", usd_per_million: 3_000 },
      { ...price, token_class: "output", usd_per_million: 1_000 },
    ]);
    await ledger.usePrices("own");
    const turn = { usage: { input: 100, output: 50 }, costUsd: undefined } as never as { usage: object };
    const script = [
      { ...calls("list_questions"), ...turn },
      { ...over, ...turn },
    ];
    await coordinationDriverAgent(driverOf(scriptedChat(script, price))).act(null, scope);
    expect(await metered()).toMatchObject([
      { usd: "0.35", usd_known: false, tokens_known: true },
      { usd: "0.35", usd_known: false },
    ]);
    expect(await scope.budget()).toMatchObject({ usdLeft: "0.3" });
  });

  it("that infers nothing is told of, and leaves no row and no unknown", async () => {
    const { scope, metered, events, ledger } = await setUp();
    const script = [
      { toolCalls: [{ name: "stop" }, { name: "spawn_worker", arguments: { profile: "echo", task: 1 } }] },
    ];
    const chat = scriptedChat(script, { inference: "none" });
    expect(await coordinationDriverAgent(driverOf(chat)).act(null, scope)).toBeUndefined();
    expect(await metered()).toEqual([]);
    expect(events).toMatchObject([{ target: "agent.turn", payload: { turn: 0, toolCalls: ["stop", "spawn_worker"] } }]);
    expect(events[0]?.payload).not.toHaveProperty("spend");
    expect(await scope.budget()).toMatchObject({ tokensLeft: 1_000, tokensKnown: true, usdKnown: true });
    expect(await ledger.db.selectFrom("spend_gaps").selectAll().execute()).toEqual([]);
  });

  it("asked past its script, or given a tool that there is not, fails", async () => {
    const { scope } = await setUp({ tokens: 1_000, iterations: 10 });
    const short = coordinationDriverAgent(driverOf(scriptedChat([calls("list_questions")])));
    await expect(short.act(null, scope)).rejects.toThrow("the script has 1 answers, and the chat is asked for another");
    const wrong = coordinationDriverAgent(driverOf(scriptedChat([calls("spawn_wroker")])));
    await expect(wrong.act(null, scope)).rejects.toThrow("answer 1 of the script calls spawn_wroker");
  });

  it("has its turns counted through restarts, and is told then what its workers came to", async () => {
    const { scope, again, metered } = await setUp();
    const first = scriptedChat([
      calls("spawn_worker", { profile: "echo", task: 1, key: "a", label: "one" }),
      calls("await_event"),
      { ...over, error: "killed" },
    ]);
    const make = (chat: DriverChat) => coordinationDriverAgent(driverOf(chat, { maxTurns: 5 }));
    await expect(make(first).act("do it", scope)).rejects.toThrow("killed");

    const second = scriptedChat(forever(calls("spawn_worker", { profile: "echo", task: 1, key: "a" })));
    expect(await make(second).act("do it", await again())).toEqual({ said: 1 });
    expect((await metered()).map(({ turn }) => turn)).toEqual([0, 1, 2, 3, 4]);
    const told = second.requests[0]?.messages[1]?.content ?? "";
    expect(told).toMatch(/^do it\n\nYou were restarted/);
    expect(JSON.parse(told.split("\n").at(-1) ?? "")).toEqual({
      workerId: "r:s0",
      label: "one",
      key: "a",
      status: "done",
      verdict: { valid: true, score: 0.5 },
      outRef: expect.stringMatching(/^sha256:/),
    });
    expect(results(second.requests[1]?.messages ?? [])).toMatchObject([{ status: "done", output: { said: 1 } }]);
  });

  it("keeps the best of its children: valid ones, the highest score, of equals the first to settle", async () => {
    const { scope } = await setUp({ tokens: 1_000, iterations: 20, usd: 1 });
    const spawn = (task: object) => calls("spawn_worker", { profile: "judged", task });
    const chat = scriptedChat(
      [
        spawn({ valid: true, score: -1 }),
        calls("await_event"),
        spawn({ valid: true, notes: "none is 0" }),
        calls("await_event"),
        spawn({ valid: true, score: 0, notes: "equal, later" }),
        calls("await_event"),
        spawn({ valid: false, score: 9 }),
        calls("await_event"),
        over,
      ],
      { inference: "none" },
    );
    const agent = coordinationDriverAgent(driverOf(chat, { profiles: { judged, echo: echo } }));
    expect(await agent.act(null, scope)).toEqual({ valid: true, notes: "none is 0" });
  });

  it("whose submission is accepted ends with it, whatever its children have", async () => {
    const { scope } = await setUp();
    const chat = scriptedChat([
      calls("spawn_worker", { profile: "echo", task: 1 }),
      calls("await_event"),
      calls("submit_result", { result: { answer: 41 } }),
      calls("submit_result", { result: { answer: 42 } }),
    ]);
    const check = (result: unknown) => (result as { answer: number }).answer === 42;
    expect(await coordinationDriverAgent(driverOf(chat, { check })).act(null, scope)).toEqual({ answer: 42 });
  });

  it("is refused where it is made: which option, which rule", () => {
    const made = (more: object) => () => coordinationDriverAgent(driverOf(scriptedChat([]), more));
    const refused = (path: string) =>
      expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path }) });
    for (const maxTurns of [-1, 1.5, Number.NaN]) expect(made({ maxTurns })).toThrow(refused("options.maxTurns"));
    expect(made({ maxTurns: -1 })).toThrow("options.maxTurns: must be at least 0");
    expect(made({ maxTurn: 1 })).toThrow('options: has the unknown key "maxTurn": there can be name, chat, system?,');
    expect(made({ name: "" })).toThrow(refused("options.name"));
    expect(made({ chat: {} })).toThrow(refused("options.chat"));
    expect(made({ profiles: { a: {} } })).toThrow(refused("options.profiles.a"));
    expect(made({ perWorker: { maxTokens: -1 } })).toThrow(refused("options.perWorker.maxTokens"));
    expect(made({ perWorker: { tokens: 1 } })).toThrow(refused("options.perWorker"));
    expect(made({ compaction: { aboveTokens: "many" } })).toThrow(refused("options.compaction.aboveTokens"));
    for (const maxUsdPerCall of ["0.0033333333333333", 1e15, Number.NaN, -1]) {
      expect(made({ maxUsdPerCall })).toThrow(refused("options.maxUsdPerCall"));
    }
    const tool = { name: "stop", description: "", parameters: {}, execute: () => 1 };
    expect(made({ tools: [tool] })).toThrow(refused("tools.0.name"));
  });
});
