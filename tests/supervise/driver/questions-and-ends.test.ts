/** The tools by which a driver's model answers, asks and ends, and those that the application adds. */
import { describe, expect, it } from "vitest";
import { driverChild } from "../../../src/supervise/agent.js";
import { createCoordinationTools } from "../../../src/supervise/driver/coordination-tools.js";
import { useClients } from "../../ledger/client.js";
import { useTools } from "./tool-set.js";
import { perWorker } from "./workers.js";

const clients = useClients();
const setUp = useTools(clients);

describe("tools", () => {
  it("reply to questions: answered, deferred, escalated, or why not; stop waits for those that block", async () => {
    const { call, scope, tools } = await setUp();
    const told: unknown[] = [];
    const ask = (urgency: "blocks-run" | "blocks-step" | "whenever") =>
      scope.mailbox.ask({ from: "r:s0", question: "which?", reason: "two ways", urgency }, ({ status, answer }) =>
        told.push([status, answer]),
      );
    ask("blocks-step");
    ask("whenever");
    ask("blocks-run");
    expect(await call("stop")).toEqual({ stopped: false, error: "open-questions", questions: ["q0.1", "q0.3"] });
    expect(tools.ending()).toBeUndefined();
    expect(await call("answer_question", { questionId: "q0.1", answer: "left" })).toMatchObject({
      questionId: "q0.1",
      status: "answered",
      answer: "left",
    });
    expect(await call("answer_question", { questionId: "q0.1", answer: "right" })).toMatchObject({
      error: "unknown-question",
      allowed: ["q0.2", "q0.3"],
    });
    expect(await call("answer_question", { questionId: "q0.3" })).toMatchObject({
      error: "bad-arguments",
      rule: "must have exactly one of answer, defer, escalate",
    });
    expect(await call("answer_question", { questionId: "q0.3", escalate: "not mine" })).toMatchObject({
      error: "nobody-above",
    });
    expect(await call("answer_question", { questionId: "q0.3", defer: "tomorrow" })).toMatchObject({
      status: "deferred",
    });
    expect(await call("list_questions")).toMatchObject({
      questions: [{ status: "answered" }, { status: "open" }, { status: "deferred", answer: "tomorrow" }],
    });
    expect(told).toEqual([
      ["answered", "left"],
      ["deferred", "tomorrow"],
    ]);
    expect(await call("ask_parent", { question: "?", reason: "!", urgency: "whenever" })).toMatchObject({
      error: "nobody-above",
    });
    expect(await call("stop", { reason: "done" })).toEqual({ stopped: true });
    expect(tools.ending()).toEqual({ stopped: { reason: "done" } });
  });

  it("submit what the check accepts; a no says why, and so does a check that throws", async () => {
    const { call, tools } = await setUp({
      check: (result) => {
        if (result === "boom") throw new Error("cannot read it");
        if (typeof result === "boolean") return result;
        return { valid: (result as number) > 3, notes: "too small", score: 1 };
      },
    });
    expect(await call("submit_result", {})).toMatchObject({ error: "bad-arguments", field: "result" });
    expect(await call("submit_result", { result: "boom" })).toEqual({ accepted: false, reason: "cannot read it" });
    expect(await call("submit_result", { result: false })).toEqual({ accepted: false, reason: "the check says no" });
    expect(await call("submit_result", { result: 3 })).toEqual({ accepted: false, reason: "too small", score: 1 });
    expect(tools.ending()).toBeUndefined();
    expect(await call("submit_result", { result: 4 })).toEqual({ accepted: true, score: 1 });
    expect(await call("submit_result", { result: true })).toEqual({ accepted: true });
    expect(tools.ending()).toEqual({
      submitted: { result: 4, verdict: { valid: true, score: 1, notes: "too small" } },
    });
  });

  it("ask above, whose reply comes to the asker", async () => {
    const told: unknown[] = [];
    const { call, scope } = await setUp();
    const asker = driverChild({
      name: "asker",
      act: async (_task, own) => {
        const tools = createCoordinationTools({
          scope: own,
          profiles: {},
          perWorker,
          awaitMs: 60_000,
          onReply: (question) => told.push([question.status, question.answer]),
        });
        const question = { question: "which?", reason: "two ways", urgency: "blocks-step" };
        told.push(await tools.call("ask_parent", JSON.stringify(question)));
        await expect.poll(() => told.length, { timeout: 20_000 }).toBe(2);
        return told;
      },
    });
    await scope.spawn(asker, null, { label: "asker", budget: { tokens: 10, iterations: 1 } });
    expect(await call("await_event")).toMatchObject({ kind: "question", from: "r:s0", question: "which?" });
    expect(await call("answer_question", { questionId: "q0.1", answer: "left" })).toMatchObject({ answer: "left" });
    expect(await call("await_event")).toMatchObject({ kind: "settled", workerId: "r:s0", status: "done" });
    expect(told).toMatchObject([{ questionId: "q0.1", from: "r:s0", status: "open" }, ["answered", "left"]]);
  });

  it("of the application stand beside them, under names of their own; what they throw is told", async () => {
    const tool = (name: string, execute: (args: unknown) => unknown) => ({
      name,
      description: "",
      parameters: { type: "object", properties: {} },
      execute,
    });
    const { call, scope } = await setUp({
      tools: [
        tool("add", (args) => (args as { a: number }).a + 1),
        tool("fail", () => {
          throw new Error("no");
        }),
      ],
    });
    expect(await call("add", { a: 1 })).toBe(2);
    expect(await call("fail")).toEqual({ error: "tool-failed", message: "Error: no" });
    const make = (...tools: ReturnType<typeof tool>[]) =>
      createCoordinationTools({ scope, perWorker, profiles: {}, tools });
    expect(() => make(tool("submit_result", () => 1))).toThrow(
      expect.objectContaining({
        code: "LG001",
        detail: { path: "tools.0.name", rule: "is the name of a coordination tool" },
      }),
    );
    expect(() =>
      make(
        tool("add", () => 1),
        tool("add", () => 2),
      ),
    ).toThrow(expect.objectContaining({ code: "LG001", detail: { path: "tools.1.name", rule: "is there twice" } }));
  });
});
