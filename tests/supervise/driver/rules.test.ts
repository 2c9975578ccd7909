/** The driver's rules that need no ledger: when it is starved, which child is best, what is shown, how a script is played. */
import { describe, expect, it } from "vitest";
import type { Readout } from "../../../src/ledger/readout.js";
import type { ChatRequest } from "../../../src/supervise/driver/chat.js";
import { createInbox, messageText, replyText } from "../../../src/supervise/driver/inbox.js";
import { scriptedChat } from "../../../src/supervise/driver/scripted-chat.js";
import { isStarved } from "../../../src/supervise/driver/starvation.js";
import { bounded, cut, resultText, shownOutput } from "../../../src/supervise/driver/text.js";
import { spendOf } from "../../../src/supervise/driver/usage.js";
import { bestChild } from "../../../src/supervise/scope/best-child.js";
import type { Child, PerWorker } from "../../../src/supervise/scope.js";

describe("starved", () => {
  const plenty = { tokensLeft: 500, iterationsLeft: 1, usdCapped: true, usdLeft: "0.5" };
  const usual: PerWorker = { maxTokens: 500, maxIterations: 5, maxUsd: 0.5 };
  type Case = [string, Partial<Readout>, PerWorker, boolean];

  it.each<Case>([
    ["just enough", {}, usual, false],
    ["a token short", { tokensLeft: 499 }, usual, true],
    ["no round left", { iterationsLeft: 0 }, usual, true],
    ["fewer rounds than a worker may take", { iterationsLeft: 4 }, usual, false],
    ["a little short of dollars", { usdLeft: "0.499999999999" }, usual, true],
    ["no dollars left, and none asked", { usdLeft: "0" }, { ...usual, maxUsd: 0 }, true],
    ["some dollars left, and no ceiling", { usdLeft: "0.000000000001" }, { maxTokens: 500 }, false],
    ["dollars that nobody caps", { usdCapped: false, usdLeft: null }, usual, false],
    ["tokens that nobody caps", { tokensLeft: null }, usual, false],
    ["rounds that nobody caps", { iterationsLeft: null }, usual, false],
    ["a token left, and no ceiling", { tokensLeft: 1 }, {}, false],
    ["no token left, and no ceiling", { tokensLeft: 0 }, {}, true],
    ["large counts", { tokensLeft: "9007199254740993" }, { maxTokens: "9007199254740994" }, true],
  ])("with %s", (_, left, perWorker, starved) => {
    expect(isStarved({ ...plenty, ...left }, perWorker, 0)).toBe(starved);
    expect(isStarved({ ...plenty, ...left }, perWorker, 1)).toBe(false);
  });
});

describe("the best child", () => {
  const child = (nodeId: string, more: Partial<Child>): Child => ({
    nodeId,
    label: "w",
    key: undefined,
    driver: false,
    status: "done",
    verdict: { valid: true },
    outRef: "sha256:0",
    reason: null,
    terminalSeq: 1,
    spent: null,
    ...more,
  });
  const scored = (score: number) => ({ verdict: { valid: true, score } });

  it("is done and valid, with the highest score; a missing one is 0, of equals the first to settle", () => {
    const best = (...children: Child[]) => bestChild(children)?.nodeId;
    expect(best()).toBeUndefined();
    expect(best(child("a", { status: "down" }), child("b", { verdict: undefined }))).toBeUndefined();
    expect(best(child("a", { verdict: { valid: false, score: 9 } }), child("b", { outRef: null }))).toBeUndefined();
    expect(best(child("a", scored(0.2)), child("b", scored(0.9)), child("c", scored(0.3)))).toBe("b");
    expect(best(child("a", scored(-1)), child("b", {}))).toBe("b");
    expect(best(child("a", { ...scored(0), terminalSeq: 9 }), child("b", { terminalSeq: 7 }))).toBe("b");
  });
});

describe("what a model is shown", () => {
  it("is bounded, says so, and never ends in half of a pair", () => {
    expect(cut("a😀", 2)).toBe("a");
    expect(bounded("abcdef", 4)).toBe("abcd\n[cut: the first 4 of 6 characters]");
    expect(resultText({ a: "x".repeat(30_000) })).toHaveLength(
      24_000 + "\n[cut: the first 24000 of 30008 characters]".length,
    );
    expect(shownOutput({ a: 1 }, "sha256:0")).toEqual({ output: { a: 1 } });
  });

  it("is an error where a result has no JSON form, and null where there is none", () => {
    expect(resultText(undefined)).toBe("null");
    expect(JSON.parse(resultText(1n))).toMatchObject({ error: "tool-failed" });
  });

  it("are messages, up to a hundred that wait", () => {
    const inbox = createInbox();
    expect(inbox.arrival().aborted).toBe(false);
    const taken = Array.from({ length: 101 }, (_, n) => inbox.put(`${n}`));
    expect(taken.filter((one) => one)).toHaveLength(100);
    expect(inbox.arrival().aborted).toBe(true);
    expect(inbox.drain()).toHaveLength(100);
    expect([inbox.drain(), inbox.arrival().aborted]).toEqual([[], false]);
    inbox.close();
    expect(inbox.put("late")).toBe(false);
    expect(messageText("hello")).toBe("Message: hello");
    expect(messageText({ type: "else", a: 1 })).toBe('Message: {"type":"else","a":1}');
    const question = { from: "r:s0", question: "?", reason: "", urgency: "whenever" } as const;
    expect(replyText({ ...question, questionId: "q0.1", status: "deferred", answer: "later" })).toBe(
      "Your question q0.1 (?) is deferred: later",
    );
  });
});

describe("a spend", () => {
  it("has every count that was reported, no iteration, and what was not reported left out", () => {
    const usage = { input: 10n, output: "5", cacheRead: 4, cacheWrite: 6, reasoning: 5 };
    expect(spendOf({ usage, costUsd: "0.10" }, 12.4)).toEqual({
      iterations: 0,
      input_tokens: 10,
      output_tokens: 5,
      cache_read_tokens: 4,
      cache_write_tokens: 6,
      reasoning_tokens: 5,
      usd: "0.1",
      ms: 12,
    });
    expect(spendOf({ costUsd: 0 }, 0)).toEqual({ iterations: 0, usd: "0", ms: 0 });
    expect(spendOf({ usage: { cacheRead: 1 } }, 0)).toEqual({ iterations: 0, tokens_known: false, ms: 0 });
  });
});

describe("a script", () => {
  const request: ChatRequest = {
    messages: [],
    tools: [{ name: "stop", description: "", parameters: {} }],
    signal: new AbortController().signal,
  };

  it("is played in order, answers of functions too, and says where it was left", async () => {
    const chat = scriptedChat(
      [
        { content: "one", usage: { input: 1, output: 2 }, costUsd: "0.1", model: "large" },
        ({ tools }) => ({
          toolCalls: [
            { name: "stop", arguments: { reason: tools[0]?.name } },
            { name: "stop", id: "x" },
          ],
        }),
        { error: "overloaded", usage: { input: 3 } },
        { error: new RangeError("bad") },
        { toolCalls: [{ name: "go" }] },
      ],
      { model: "asked", inference: "none" },
    );
    expect(chat).toMatchObject({ model: "asked", inference: "none" });
    expect(await chat.complete(request)).toEqual({
      content: "one",
      toolCalls: [],
      usage: { input: 1, output: 2 },
      costUsd: "0.1",
      model: "large",
    });
    expect(await chat.complete(request)).toEqual({
      content: "",
      toolCalls: [
        { id: "call_2_1", name: "stop", arguments: '{"reason":"stop"}' },
        { id: "x", name: "stop", arguments: "{}" },
      ],
    });
    await expect(chat.complete(request)).rejects.toMatchObject({
      name: "ChatError",
      reported: { usage: { input: 3 } },
    });
    await expect(chat.complete(request)).rejects.toThrow(RangeError);
    await expect(chat.complete(request)).rejects.toThrow("answer 5 of the script calls go; the tools are stop");
    await expect(chat.complete(request)).rejects.toThrow("the script has 5 answers, and the chat is asked for another");
    await expect(chat.complete({ ...request, signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    expect(chat.requests).toHaveLength(6);
  });
});
