/** The coordination tools, one by one: what the model gives, and what it is told. */
import { describe, expect, it } from "vitest";
import { worker } from "../../../src/supervise/executors.js";
import { useClients } from "../../ledger/client.js";
import { gate } from "../scope/run.js";
import { useTools } from "./tool-set.js";

const clients = useClients();
const setUp = useTools(clients);

/** A worker that ends when the gate opens, and takes messages. */
function slow(opened: Promise<void>, messages: unknown[]) {
  return {
    name: "slow",
    runtime: "function",
    executor: () => ({
      runtime: "function",
      execute: async () => {
        await opened;
        return { out: "late", verdict: { valid: true }, spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
      },
      deliver: (message: unknown) => messages.push(message) > 0,
      teardown: () => {},
    }),
  };
}

describe("tools", () => {
  it("have the names and arguments of the table, submit_result only with a check", async () => {
    const { tools } = await setUp();
    const shown = tools.tools.map(({ name, parameters }) => [name, Object.keys(parameters.properties as object)]);
    expect(Object.fromEntries(shown)).toEqual({
      spawn_worker: ["profile", "task", "label", "budget", "key"],
      observe_worker: ["workerId"],
      steer_worker: ["workerId", "instruction", "interrupt"],
      await_event: ["kinds"],
      list_questions: [],
      answer_question: ["questionId", "answer", "defer", "escalate"],
      ask_parent: ["question", "reason", "urgency"],
      stop: ["reason"],
    });
    expect(tools.tools[0]?.parameters).toMatchObject({
      type: "object",
      required: ["profile", "task"],
      additionalProperties: false,
      properties: { profile: { type: "string", enum: ["echo", "judged"] } },
    });
    const { tools: checking } = await setUp({ check: () => true });
    expect(checking.tools.map(({ name }) => name)).toContain("submit_result");
  });

  it("tell every mistake: which field, which rule, what is allowed", async () => {
    const { call } = await setUp();
    expect(await call("fly")).toMatchObject({ error: "unknown-tool", allowed: expect.arrayContaining(["stop"]) });
    expect(await call("submit_result", { result: 1 })).toMatchObject({ error: "unknown-tool" });
    for (const text of ["{", "[]", "7", "null"]) {
      expect(await call("observe_worker", text)).toEqual({
        error: "bad-arguments",
        field: "",
        rule: "must be one JSON object",
        allowed: ["workerId"],
      });
    }
    expect(await call("spawn_worker", { profile: "poet", task: 1 })).toMatchObject({
      error: "bad-arguments",
      field: "profile",
      allowed: ["echo", "judged"],
    });
    expect(await call("spawn_worker", { profile: "echo" })).toMatchObject({
      error: "bad-arguments",
      field: "task",
      rule: "is required",
    });
    expect(await call("spawn_worker", { profile: "echo", task: 1, budget: { tokens: -1 } })).toMatchObject({
      error: "bad-arguments",
      field: "budget.tokens",
      allowed: ["tokens?", "iterations?", "usd?"],
    });
    expect(await call("spawn_worker", { profile: "echo", task: 1, colour: "red" })).toMatchObject({
      error: "bad-arguments",
      field: "",
      allowed: ["profile", "task", "label?", "budget?", "key?"],
    });
    expect(await call("spawn_worker", '{"profile":"echo","task":1,"__proto__":{"budget":{}}}')).toMatchObject({
      error: "bad-arguments",
    });
    expect(await call("observe_worker", { workerId: "r:s9" })).toMatchObject({ error: "unknown-worker", allowed: [] });
    expect(await call("steer_worker", { workerId: "r", instruction: "up" })).toMatchObject({ error: "unknown-worker" });
    expect(await call("await_event", { kinds: ["weather"] })).toMatchObject({
      error: "bad-arguments",
      field: "kinds.0",
    });
    expect(await call("list_questions", "")).toEqual({ questions: [] });
  });

  it("spawn within the usual ceilings or others, tell what was short, and give what a key has done", async () => {
    const { call, scope } = await setUp();
    const held = async () => {
      const { tokensLeft, iterationsLeft, usdLeft } = await scope.budget();
      return [tokensLeft, iterationsLeft, usdLeft];
    };
    const work = { profile: "echo", task: { n: 1 }, key: "k" };
    expect(await call("spawn_worker", { ...work, budget: { tokens: 300, usd: "0.25" } })).toEqual({ workerId: "r:s0" });
    expect(await call("await_event")).toMatchObject({ kind: "settled", workerId: "r:s0", key: "k", label: "echo" });
    expect(await held()).toEqual([985, 9, "1"]);
    expect(await call("spawn_worker", work)).toEqual({
      workerId: "r:s0",
      status: "done",
      outRef: expect.stringMatching(/^sha256:/),
      output: { said: { n: 1 } },
    });
    expect(await call("spawn_worker", { ...work, task: "else" })).toEqual({ error: "key-conflict" });
    expect(await call("spawn_worker", { profile: "echo", task: 1, budget: { tokens: 986, usd: 2 } })).toEqual({
      error: "budget-exhausted",
      shortfall: [
        { channel: "tokens", requested: "986", free: "985" },
        { channel: "usd", requested: "2", free: "1" },
      ],
    });
    expect(await held()).toEqual([985, 9, "1"]);
  });

  it("make a worker for its task where the profile says how; what that throws is told", async () => {
    const { call } = await setUp({
      profiles: {
        made: (task) => worker(`for ${task}`, () => ({ out: `${task}!`, spent: {} })) as never,
        broken: () => {
          throw new RangeError("no such model");
        },
      },
    });
    expect(await call("spawn_worker", { profile: "broken", task: 1 })).toEqual({
      error: "tool-failed",
      message: "RangeError: no such model",
    });
    expect(await call("spawn_worker", { profile: "made", task: "you" })).toEqual({ workerId: "r:s0" });
    expect(await call("await_event")).toMatchObject({ output: "you!" });
  });

  it("look at a worker at work, steer it, and see it done", async () => {
    const { opened: release, open } = gate();
    const messages: unknown[] = [];
    const { call } = await setUp({ profiles: { slow: slow(release, messages) } });
    await call("spawn_worker", { profile: "slow", task: 1, label: "w" });
    expect(await call("observe_worker", { workerId: "r:s0" })).toMatchObject({
      workerId: "r:s0",
      label: "w",
      status: "dispatched",
      spent: null,
      outRef: null,
    });
    expect(await call("steer_worker", { workerId: "r:s0", instruction: "left" })).toEqual({ delivered: true });
    expect(await call("steer_worker", { workerId: "r:s0", instruction: "halt", interrupt: true })).toEqual({
      delivered: true,
    });
    expect(messages).toEqual([
      { type: "instruction", from: "r", instruction: "left", interrupt: false },
      { type: "instruction", from: "r", instruction: "halt", interrupt: true },
    ]);
    open();
    await call("await_event");
    expect(await call("observe_worker", { workerId: "r:s0" })).toMatchObject({
      status: "done",
      verdict: { valid: true },
      spent: { input_tokens: 1, output_tokens: 1, iterations: 1 },
      outRef: expect.stringMatching(/^sha256:/),
      output: "late",
    });
    expect(await call("steer_worker", { workerId: "r:s0", instruction: "on" })).toEqual({ delivered: false });
  });

  it("show the beginning of an output that is too large, and where the whole is", async () => {
    const large = worker("large", () => ({ out: "x".repeat(100_000), spent: {} }));
    const { call } = await setUp({ profiles: { large: large } });
    await call("spawn_worker", { profile: "large", task: 1 });
    const settled = (await call("await_event")) as { output: string; outRef: string; note: string };
    expect(settled.output).toBe(`"${"x".repeat(7_999)}`);
    expect(settled.note).toBe(
      `output is cut: the first 8000 of 100002 characters of its JSON; whole in ${settled.outRef}`,
    );
  });

  it("wait for what comes first, by priority, and lose nothing that comes at once", async () => {
    const { opened: release, open } = gate();
    const { call, scope } = await setUp({ profiles: { slow: slow(release, []) } });
    expect(await call("await_event")).toEqual({ idle: true });
    expect(await call("await_event", { kinds: ["question"] })).toEqual({ idle: true });
    await call("spawn_worker", { profile: "slow", task: 1 });
    const asked = { from: "r:s0", question: "?", reason: "!", urgency: "blocks-step" } as const;

    // The question ends a wait for settlements as well; the settlement that comes then is kept for the next.
    const wait = call("await_event");
    scope.mailbox.ask(asked);
    expect(await wait).toMatchObject({ kind: "question", questionId: "q0.1" });
    scope.mailbox.report({ from: "r:s0", urgency: "whenever", finding: "slow" });
    scope.mailbox.ask({ ...asked, urgency: "blocks-run" });
    open();
    const settled = call("await_event", { kinds: ["settled"] });
    expect(await settled).toMatchObject({ kind: "settled", workerId: "r:s0" });
    expect(await call("await_event")).toMatchObject({ kind: "question", questionId: "q0.2" });
    expect(await call("await_event")).toMatchObject({ kind: "finding", finding: "slow" });
    expect(await call("await_event")).toEqual({ idle: true });
  });

  it("give up waiting after a bound, keep what comes later, and tell the end of the driver", async () => {
    const { opened: release, open } = gate();
    const { call, scope } = await setUp({ profiles: { slow: slow(release, []) }, awaitMs: 1 });
    await call("spawn_worker", { profile: "slow", task: 1 });
    expect(await call("await_event")).toEqual({ pending: true, live: 1 });
    expect(await call("await_event", { kinds: ["finding"] })).toEqual({ pending: true, live: 1 });
    open();
    await expect
      .poll(() => call("await_event"), { timeout: 20_000 })
      .toMatchObject({ kind: "settled", workerId: "r:s0" });
    await scope.drain("over", 100);
    expect(await call("await_event", { kinds: ["settled"] })).toMatchObject({ error: "aborted" });
  });
});
