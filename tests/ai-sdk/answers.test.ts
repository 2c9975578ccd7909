/** Answers of the AI SDK's own test models, metered: what is booked of each, what is refused, and models metered where they stand. */
import { createOpenAI } from "@ai-sdk/openai";
import type { LanguageModelV3GenerateResult } from "@ai-sdk/provider";
import { generateText, streamText, wrapLanguageModel } from "ai";
import { convertArrayToReadableStream, MockLanguageModelV3 } from "ai/test";
import { describe, expect, it } from "vitest";
import { ledgerMiddleware, meterModel } from "../../src/ai-sdk/middleware.js";
import { useClients } from "../ledger/client.js";
import { digestOf, latest, settlements } from "./books.js";
import { finish, opened, prompt, read, result, text, usage } from "./test-model.js";

const clients = useClients();

describe("an answer", () => {
  it("is booked as the SDK states it: what it leaves out is unknown, 0 is 0", async () => {
    const { ledger, pool, generate } = await opened(clients);
    expect(await generate({})).toEqual([0, 0, false, null, "done"]);
    expect(await generate({ usage: usage(0, 0) })).toEqual([0, 0, true, null, "done"]);
    expect(await generate({ usage: usage(12) })).toEqual([12, 0, false, null, "done"]);
    expect(await generate({ usage: usage(12, 3, { read: 8, write: 2, thought: 1 }) })).toEqual([
      12,
      3,
      true,
      null,
      "done",
    ]);
    // A part above its whole is left out, the whole stays.
    expect(await generate({ usage: usage(12, 3, { read: 13, thought: 4 }) })).toEqual([12, 3, true, null, "done"]);
    expect(await generate({ usage: usage(12.5, 3) })).toEqual([0, 3, false, null, "done"]);
    const v2 = { inputTokens: 20, outputTokens: 4, totalTokens: 24, reasoningTokens: 2, cachedInputTokens: 5 };
    expect(await generate({ usage: v2 as never })).toEqual([20, 4, true, null, "done"]);
    const rows = await settlements(ledger, pool);
    expect(rows.map((row) => [row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens])).toEqual([
      ["0", "0", "0"],
      ["0", "0", "0"],
      ["0", "0", "0"],
      ["8", "2", "1"],
      ["0", "0", "0"],
      ["0", "0", "0"],
      ["5", "0", "2"],
    ]);
  });

  it("is read beside the SDK, which writes 0 for what was not said and no cost", async () => {
    const { ledger, pool, generate } = await opened(clients);
    const said = (raw: object, used = usage(10, 5)) => ({ usage: { ...used, raw: raw as never } });
    expect(await generate(said({ completion_tokens: 5 }, usage(0, 5)), "openai.chat")).toEqual([
      0,
      5,
      false,
      null,
      "done",
    ]);
    const whole = { prompt_tokens: 10, completion_tokens: 5, cost: 0.25 };
    expect(await generate(said(whole), "openrouter.chat")).toEqual([10, 5, true, "0.25", "done"]);
    const body = { object: "chat.completion", usage: { ...whole, cost: 0 } };
    expect(await generate({ ...said({}), response: { body } }, "deepseek.chat")).toEqual([10, 5, true, "0", "done"]);
    const beside = (providerMetadata: object) => ({ ...said({}), providerMetadata: providerMetadata as never });
    expect((await generate(beside({ openrouter: { usage: { cost: 0.5 } } })))[3]).toBe("0.5");
    expect((await generate(beside({ gateway: { cost: "0.0045405" } }), "gateway"))[3]).toBe("0.0045405");
    expect((await generate(beside({ gateway: { cost: "free" } }), "gateway"))[3]).toBe(null);
    // What was compacted on the way the SDK adds up, the provider lists apart.
    const parts = { input_tokens: 7, output_tokens: 2, cache_creation_input_tokens: 3, cache_read_input_tokens: 0 };
    const anthropic = { ...parts, cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 } };
    expect(await generate(said(anthropic, usage(110, 52)), "anthropic.messages")).toEqual([
      110,
      52,
      true,
      null,
      "done",
    ]);
    expect(await generate(said(anthropic, usage(10, 2)), "anthropic.messages")).toEqual([10, 2, true, null, "done"]);
    const hours = (await settlements(ledger, pool)).slice(-2).map((row) => row.cache_write_tokens);
    expect(hours).toEqual(["0", "3"]);
  });

  it("tells its tools, and the next call what became of them, without their texts", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const content: LanguageModelV3GenerateResult["content"] = [
      { type: "tool-call", toolCallId: "c1", toolName: "search", input: '{"q": "secret", "n": 1.0}' },
      { type: "tool-call", toolCallId: "c2", toolName: "search", input: "not secret" },
      { type: "tool-call", toolCallId: "c3", toolName: "web", input: "{}", providerExecuted: true },
      { type: "tool-result", toolCallId: "c3", toolName: "web", result: "secret", isError: true },
    ];
    const model = metered(new MockLanguageModelV3({ doGenerate: result({ content }) }));
    await model.doGenerate({ prompt });
    const asked = (toolCallId: string) => ({ type: "tool-call" as const, toolCallId, toolName: "search", input: {} });
    const told = (toolCallId: string, type: "text" | "error-text") =>
      ({ type: "tool-result", toolCallId, toolName: "search", output: { type, value: "secret" } }) as const;
    const denied = {
      type: "tool-result",
      toolCallId: "c4",
      toolName: "search",
      output: { type: "execution-denied" },
    } as const;
    await model.doGenerate({
      prompt: [
        ...prompt,
        { role: "assistant", content: [asked("c0")] },
        { role: "tool", content: [told("c0", "text")] },
        { role: "assistant", content: [asked("c1"), asked("c2"), asked("c4")] },
        { role: "tool", content: [told("c1", "text"), told("c2", "error-text")] },
        { role: "tool", content: [denied] },
        { role: "user", content: [{ type: "text", text: "secret" }] },
      ],
    });
    const [first, second] = await settlements(ledger, pool);
    expect(first?.tool_calls).toEqual([
      { name: "search", id: "c1", arguments: digestOf('{"n":1,"q":"secret"}') },
      { name: "search", id: "c2", arguments: digestOf('"not secret"') },
      { name: "web", id: "c3", arguments: digestOf("{}"), status: "error" },
    ]);
    expect(second?.detail).toEqual({
      tool_results: [
        { id: "c1", status: "ok" },
        { id: "c2", status: "error" },
        { id: "c4", status: "error" },
      ],
    });
    const kept = await ledger.db.selectFrom("journal").selectAll().execute();
    expect(JSON.stringify(kept)).not.toContain("secret");
  });

  it("is asked for with as much as its prompt may be: text by its bytes, a file as a file", async () => {
    const calls: unknown[] = [];
    const { metered } = await opened(clients, {
      perCall: (call) => {
        calls.push(call);
        return {};
      },
    });
    const data = Buffer.alloc(50_000, "x").toString("base64");
    const model = metered(
      new MockLanguageModelV3({ provider: "google.vertex.chat", modelId: "g", doGenerate: result({}) }),
    );
    await model.doGenerate({
      maxOutputTokens: 7,
      prompt: [
        {
          role: "user",
          content: [
            { type: "text", text: "日本語" },
            { type: "file", mediaType: "image/png", data },
            { type: "file", mediaType: "text/plain", data: "t".repeat(500) },
            { type: "file", data: "no file of the SDK's" } as never,
          ],
        },
      ],
    });
    const content = '[{"type":"text","text":"日本語"},"file","file",{"type":"file","data":"no file of the SDK\'s"}]';
    const bytes = Buffer.byteLength(`[[{"role":"user","content":${content}}],[],{}]`) + 500;
    expect(calls).toEqual([
      { provider: "google", model: "g", promptBytes: bytes, attachments: 1, maxOutputTokens: 7, toolResults: [] },
    ]);
    // What Anthropic's model may think comes on top.
    const thinking = (options: object) => ({ prompt, providerOptions: { anthropic: { thinking: options } } as never });
    await model.doGenerate({ ...thinking({ type: "enabled", budgetTokens: 30_000 }), maxOutputTokens: 7 });
    await model.doGenerate(thinking({ type: "enabled" }));
    await model.doGenerate({ ...thinking({ type: "adaptive" }), maxOutputTokens: 7 });
    expect(calls.slice(1)).toMatchObject([
      { maxOutputTokens: 30_007 },
      { maxOutputTokens: 4_096 + 1_024 },
      { maxOutputTokens: 7 },
    ]);
  });

  it("that fails used nothing where it was not taken or never sent, else an unknown amount", async () => {
    const { ledger, pool, metered } = await opened(clients);
    const failing = async (error: object) => {
      const model = metered(
        new MockLanguageModelV3({
          provider: "openai.chat",
          doGenerate: async () => {
            throw error;
          },
        }),
      );
      await expect(model.doGenerate({ prompt })).rejects.toBe(error);
      const row = (await settlements(ledger, pool)).at(-1);
      return [row?.outcome, row?.reason, Number(row?.input_tokens), row?.tokens_known, row?.usd];
    };
    const error = (name: string, more: object = {}) => Object.assign(new Error("secret"), { name, ...more });
    expect(await failing(error("AI_APICallError", { statusCode: 422 }))).toEqual([
      "down",
      "AI_APICallError 422",
      0,
      true,
      "0",
    ]);
    // It may have come from a gateway that gave up on a model at work.
    expect(await failing(error("AI_APICallError", { statusCode: 408 }))).toEqual([
      "down",
      "AI_APICallError 408",
      0,
      false,
      null,
    ]);
    expect(await failing(error("AI_APICallError", { statusCode: 503 }))).toEqual([
      "down",
      "AI_APICallError 503",
      0,
      false,
      null,
    ]);
    expect(await failing(error("AI_LoadAPIKeyError"))).toEqual(["down", "AI_LoadAPIKeyError", 0, true, "0"]);
    expect(await failing(error("AI_APICallError", { cause: { code: "ECONNREFUSED" } }))).toEqual([
      "down",
      "AI_APICallError",
      0,
      true,
      "0",
    ]);
    expect(await failing(error("AI_APICallError", { cause: { code: "ECONNRESET" } }))).toEqual([
      "down",
      "AI_APICallError",
      0,
      false,
      null,
    ]);
    expect(await failing(error("not a\nname"))).toEqual(["down", "error", 0, false, null]);
    const body = JSON.stringify({ object: "chat.completion", usage: { prompt_tokens: 9, completion_tokens: 1 } });
    const unread = error("AI_APICallError", { statusCode: 200, responseBody: body });
    expect(await failing(unread)).toEqual(["down", "AI_APICallError 200", 9, true, null]);
    // Every one of them was a call.
    expect(await pool.readout()).toMatchObject({ tokensLeft: 99_990, iterationsLeft: 92, reservedTokens: 0 });
    const bare = wrapLanguageModel({
      model: createOpenAI({ apiKey: "" }).chat("m"),
      middleware: ledgerMiddleware(pool),
    });
    await expect(
      bare.doGenerate({ prompt: [{ role: "user", content: [{ type: "file", mediaType: "x/y", data: "" }] }] }),
    ).rejects.toMatchObject({ name: "AI_UnsupportedFunctionalityError" });
    expect(await latest(ledger, pool)).toEqual([0, 0, true, "0", "down"]);
  });
});

describe("a call that its pool cannot pay for", () => {
  it("is not made, and says so as an error of its own kind, whole and streamed", async () => {
    const { pool, metered } = await opened(clients, { perCall: { tokens: 100_001 } });
    const mock = new MockLanguageModelV3({ doGenerate: result({}), doStream: { stream: new ReadableStream() } });
    const model = metered(mock);
    const refused = {
      name: "CallRefusedError",
      code: "budget-exhausted",
      poolId: "p",
      shortfall: [{ channel: "tokens", requested: "100001", free: "100000" }],
    };
    await expect(generateText({ model, prompt: "Go." })).rejects.toMatchObject(refused);
    const heard: unknown[] = [];
    const streamed = streamText({ model, prompt: "Go.", onError: ({ error }) => void heard.push(error) });
    const parts: unknown[] = [];
    for await (const part of streamed.fullStream) if (part.type === "error") parts.push(part.error);
    expect(parts).toMatchObject([refused]);
    expect(heard).toEqual(parts);
    expect([mock.doGenerateCalls, mock.doStreamCalls]).toEqual([[], []]);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 100_000, iterationsLeft: 100 });
  });
});

describe("a model metered where it stands", () => {
  it("is the same model, metered once", async () => {
    const { ledger, pool } = await opened(clients);
    const mock = new MockLanguageModelV3({
      modelId: "mine",
      doGenerate: result({ usage: usage(3, 2) }),
      doStream: { stream: convertArrayToReadableStream([...text("a"), finish("stop", "stop")]) },
    });
    expect(meterModel(mock, pool, { label: "answers" })).toBe(mock);
    expect(meterModel(mock, pool, { label: "answers" })).toBe(mock);
    expect((await generateText({ model: mock, prompt: "Go." })).text).toBe("Yes.");
    await read((await mock.doStream({ prompt })).stream);
    expect((await settlements(ledger, pool)).map(({ model, input_tokens }) => [model, input_tokens])).toEqual([
      ["mine", "3"],
      ["m-1", "10"],
    ]);
    const labels = await ledger.db.selectFrom("nodes").select("label").where("parent_node_id", "=", "p").execute();
    expect(labels).toEqual([{ label: "answers" }, { label: "answers" }]);
    const other = await ledger.openPool({}, { poolId: "other" });
    const refusals: [() => unknown, string, RegExp][] = [
      [() => meterModel(mock, other), "model", /is metered in pool p: make another model object/],
      [() => meterModel("openai/gpt-5" as never, pool), "model", /not its name/],
      [() => meterModel(Object.freeze(new MockLanguageModelV3()), pool), "model", /is frozen/],
      [() => ledgerMiddleware(pool, { leaseMs: 0 }), "options.leaseMs", /./],
    ];
    for (const [refused, path, rule] of refusals) {
      expect(refused).toThrow(expect.objectContaining({ code: "LG001", message: expect.stringMatching(rule) }));
      expect(refused).toThrow(expect.objectContaining({ detail: expect.objectContaining({ path }) }));
    }
  });
});
