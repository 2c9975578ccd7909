/** Drivers below drivers: what is said between them, and that each token is counted once. */
import { describe, expect, it } from "vitest";
import { driverChild } from "../../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../../src/supervise/driver/driver.js";
import { type ScriptLine, scriptedChat } from "../../../src/supervise/driver/scripted-chat.js";
import { useClients } from "../../ledger/client.js";
import { useDriverRuns } from "./drivers.js";
import { calls, driverOf, over, results } from "./workers.js";

const clients = useClients();
const setUp = useDriverRuns(clients);

const nested = (chat: ReturnType<typeof scriptedChat>) =>
  driverChild(coordinationDriverAgent(driverOf(chat, { name: "nested" })));

/** The text of the last message. */
const last = (chat: ReturnType<typeof scriptedChat>, request: number) =>
  chat.requests[request]?.messages.at(-1)?.content;

describe("a nested driver", () => {
  it("spends from its own reservation, and its result is its best worker's", async () => {
    const { scope, ledger, metered } = await setUp({ tokens: 10_000, iterations: 10, usd: 1 });
    const below = scriptedChat([
      { ...calls("spawn_worker", { profile: "echo", task: "deep" }), usage: { input: 60, output: 40 }, costUsd: 0.03 },
      { ...calls("await_event"), usage: { input: 30, output: 20 }, costUsd: 0.01 },
      { content: "", usage: { input: 10, output: 5 }, costUsd: 0.01 },
    ]);
    const above = scriptedChat([
      {
        ...calls("spawn_worker", { profile: "nested", task: "go", budget: { tokens: 1_000, iterations: 2, usd: 0.2 } }),
        usage: { input: 100, output: 50 },
        costUsd: 0.01,
      },
      { ...calls("await_event"), usage: { input: 70, output: 40 }, costUsd: 0.01 },
      over,
    ]);
    const agent = coordinationDriverAgent(driverOf(above, { name: "root", profiles: { nested: nested(below) } }));
    expect(await agent.act(null, scope)).toEqual({ said: "deep" });
    expect(results(above.requests[2]?.messages ?? [])[1]).toMatchObject({
      workerId: "r:s0",
      status: "done",
      verdict: { valid: true, score: 0.5 },
      output: { said: "deep" },
    });
    expect(await ledger.spentBreakdown("r")).toMatchObject([
      { source: "driver_inference", input_tokens: "270", output_tokens: "155", usd: "0.07" },
      { source: "child_work", input_tokens: "10", output_tokens: "5" },
      { source: "total", input_tokens: "280", output_tokens: "160", usd: "0.07" },
    ]);
    expect((await metered()).map(({ pool_id, turn }) => `${pool_id} ${turn}`).sort()).toEqual([
      ...["r 0", "r 1", "r 2", "r:s0 0", "r:s0 1", "r:s0 2"],
    ]);
  });

  it("asks above and reads the reply; is steered, and reads that", async () => {
    const { scope } = await setUp({ tokens: 10_000, iterations: 10, usd: 1 });
    const question = { question: "left or right?", reason: "both lead there", urgency: "blocks-step" };
    const below = scriptedChat([
      calls("ask_parent", question),
      calls("await_event"),
      async () => {
        await expect.poll(() => above.requests.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(6);
        return calls("await_event");
      },
      over,
    ] satisfies ScriptLine[]);
    const above = scriptedChat([
      calls("spawn_worker", { profile: "nested", task: "go", budget: { tokens: 1_000, iterations: 2 } }),
      calls("await_event"),
      calls("stop"),
      async () => {
        await expect.poll(() => below.requests.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
        return calls("answer_question", { questionId: "q0.1", answer: "left" });
      },
      async () => {
        await expect.poll(() => below.requests.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
        return calls("steer_worker", { workerId: "r:s0", instruction: "faster", interrupt: true });
      },
      calls("await_event"),
      calls("stop", { reason: "all done" }),
    ] satisfies ScriptLine[]);
    const agent = coordinationDriverAgent(driverOf(above, { name: "root", profiles: { nested: nested(below) } }));
    expect(await agent.act(null, scope)).toBeUndefined();

    expect(results(above.requests.at(-1)?.messages ?? [])).toMatchObject([
      { workerId: "r:s0" },
      { kind: "question", questionId: "q0.1", from: "r:s0", urgency: "blocks-step" },
      { stopped: false, questions: ["q0.1"] },
      { questionId: "q0.1", status: "answered" },
      { delivered: true },
      { kind: "settled", workerId: "r:s0", status: "done" },
    ]);
    expect(above.requests).toHaveLength(7);
    expect(last(below, 2)).toBe("Your question q0.1 (left or right?) is answered: left");
    expect(last(below, 3)).toBe("Instruction from r (interrupt: follow it before anything else): faster");
    // Neither wait lasted: a message that comes, or waits already, ends it.
    expect(results(below.requests[3]?.messages ?? []).slice(1)).toEqual([
      { pending: true, live: 0 },
      { pending: true, live: 0 },
    ]);
  });
});
