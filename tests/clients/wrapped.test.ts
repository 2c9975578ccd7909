/** What the wrapper is to a program: a client of the same kind, of which only calls of models are metered. */
import OpenAI, { AzureOpenAI } from "openai";
import { expect, it } from "vitest";
import { meterAnthropic } from "../../src/clients/anthropic.js";
import { meterOpenAI } from "../../src/clients/openai.js";
import { promptOf, providerAt } from "../../src/clients/request.js";
import { usageOf } from "../wire/openai-chat.js";
import type { Reply } from "../wire/server.js";
import { settled, thrown, useMetered } from "./metered.js";

const meter = useMetered();
const messages = [{ role: "user" as const, content: "Go." }];
const chat = { model: "gpt-5-mini", messages };
const SAID: Reply = { says: { text: "Gone.", usage: usageOf(11, 5) } };

it("what is no call of a model passes", async () => {
  const list: Reply = { body: { object: "list", data: [] } };
  const metered = await meter(() => list, { budget: { tokens: 0 } });
  const { openai, anthropic, server } = metered;
  await openai.models.list();
  await openai.files.list();
  await openai.moderations.create({ input: "Go." });
  await openai.responses.retrieve("resp-1");
  await openai.responses.inputTokens.count({ model: "gpt-5", input: "Go." });
  await openai.batches.create({ input_file_id: "f", endpoint: "/v1/chat/completions", completion_window: "24h" });
  await anthropic.models.list();
  await anthropic.messages.countTokens({ model: "claude-opus-4-6", messages });
  await anthropic.messages.batches.create({ requests: [] });
  expect(server.requests).toHaveLength(9);
  expect(await settled(metered)).toEqual([]);
});

it("is of the same kind, keeps its settings, and leaves the other as it was", async () => {
  const metered = await meter([SAID, SAID, SAID]);
  const { openai, plain, server } = metered;
  expect(openai).toBeInstanceOf(OpenAI);
  expect(openai).not.toBe(plain.openai);
  expect([openai.baseURL, openai.apiKey, openai.maxRetries]).toEqual([server.baseURL, "key", 0]);
  await plain.openai.chat.completions.create(chat);
  await openai.chat.completions.create(chat);
  await openai.withOptions({ defaultHeaders: { "x-of": "the program" } }).chat.completions.create(chat);
  const [before, after, again] = server.requests.map(({ headers, body }) => [
    headers["user-agent"],
    headers["x-of"],
    body,
  ]);
  expect(after).toEqual(before);
  expect(again).toEqual([before?.[0], "the program", chat]);
  expect((await settled(metered)).map(({ tokens }) => tokens.slice(0, 2))).toEqual([
    [11, 5],
    [11, 5],
  ]);
});

it("Anthropic's client still says that a long answer must be streamed", async () => {
  const { plain, anthropic } = await meter([]);
  const long = { model: "claude-opus-4-6", messages, max_tokens: 64_000 };
  const [given, had] = [
    await thrown(async () => plain.anthropic.messages.create(long)),
    await thrown(async () => anthropic.messages.create(long)),
  ];
  expect(String(given)).toMatch(/Streaming is required/);
  expect(String(had)).toBe(String(given));
});

it("the usage of a stream is not asked for where it may not be", async () => {
  const quiet = await meter([SAID], { options: { streamUsage: false } });
  await quiet.openai.chat.completions.stream(chat).finalContent();
  const signed = await meter([SAID]);
  const headers = { authorization: "AWS4-HMAC-SHA256 Credential=…".replace("…", "x") };
  for await (const _ of await signed.openai.chat.completions.create({ ...chat, stream: true }, { headers }));
  for (const metered of [quiet, signed]) {
    expect(metered.server.requests[0]?.body).not.toHaveProperty("stream_options");
    expect(await settled(metered)).toMatchObject([{ outcome: "done", known: false }]);
  }
});

it("Azure's client, whose calls are at paths of their own", async () => {
  const metered = await meter([{ body: { id: "c", model: "gpt-5", choices: [], usage: usageOf(7, 2) } }]);
  const { pool, server } = metered;
  const made = { endpoint: server.origin, apiKey: "key", apiVersion: "2025-04-01-preview", deployment: "mine" };
  const azure = meterOpenAI(new AzureOpenAI(made), pool, { provider: "azure" });
  await azure.chat.completions.create(chat);
  expect(server.requests[0]?.path).toBe("/openai/deployments/mine/chat/completions");
  expect(await settled(metered)).toMatchObject([{ provider: "azure", model: "gpt-5", tokens: [7, 2, 0, 0, 0] }]);
});

it("a cost that the endpoint states is a receipt", async () => {
  const metered = await meter([{ says: { text: "Gone.", usage: usageOf(11, 5, { cost: 0.0125 }) } }], {
    options: { provider: "openrouter" },
  });
  await metered.openai.chat.completions.create(chat);
  const { db } = metered.ledger;
  const receipts = db
    .selectFrom("usage_daily")
    .where("provider", "=", "openrouter")
    .select(["provider", "receipt_usd"]);
  expect(await receipts.execute()).toEqual([{ provider: "openrouter", receipt_usd: "0.0125" }]);
});

it.each([
  ["https://api.openai.com/v1/responses", "otherwise"],
  ["https://mine.openai.azure.com/openai/responses", "azure"],
  ["https://mine.services.ai.azure.com/anthropic/v1/messages", "azure"],
  ["https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions", "aws"],
  ["https://openrouter.ai/api/v1/chat/completions", "openrouter"],
  ["https://api.x.ai/v1/chat/completions", "x-ai"],
  ["https://notx.ai/v1/chat/completions", "otherwise"],
])("at %s the provider is %s", (url, provider) => {
  expect(providerAt(new URL(url), "otherwise")).toBe(provider);
});

it("pictures and files have no bytes to count, documents of text do", () => {
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(9_000)}` } };
  const source = { type: "base64", media_type: "application/pdf", data: "A".repeat(9_000) };
  const text = { type: "document", source: { type: "text", media_type: "text/plain", data: "A".repeat(9_000) } };
  expect(promptOf([image, { type: "document", source }])).toEqual({
    promptBytes: JSON.stringify([
      { ...image, image_url: null },
      { type: "document", source: null },
    ]).length,
    attachments: 2,
  });
  expect(promptOf([text])).toEqual({ promptBytes: JSON.stringify([text]).length, attachments: 0 });
  // Plain JSON in the input of a tool, and text beside a picture.
  const plain = { type: "file", name: "a.txt", content: "A".repeat(9_000) };
  expect(promptOf([plain])).toEqual({ promptBytes: JSON.stringify([plain]).length, attachments: 0 });
  expect(promptOf([{ type: "document", source, context: "A".repeat(9_000) }]).promptBytes).toBeGreaterThan(9_000);
  expect(promptOf(["Äther"])).toEqual({ promptBytes: 10, attachments: 0 });
});

it("what cannot be metered is not sent", async () => {
  const metered = await meter([]);
  const { openai, anthropic, pool, server } = metered;
  const body = new ReadableStream();
  expect(await thrown(() => openai.post("/chat/completions", { body }))).toMatchObject({
    code: "LG001",
    detail: { path: "body" },
  });
  for (const path of ["/v1/projects/p/models/claude:rawPredict", "/model/claude/invoke"]) {
    const error = await thrown(() => anthropic.post(path, { body: {} }));
    expect(error).toMatchObject({ code: "LG001", detail: { path: "client" } });
  }
  expect(server.requests).toEqual([]);
  // @ts-expect-error: no client at all
  expect(() => meterOpenAI({ chat: {} }, pool)).toThrow(expect.objectContaining({ code: "LG001" }));
  // @ts-expect-error: nothing
  expect(() => meterOpenAI(undefined, pool)).toThrow(expect.objectContaining({ code: "LG001" }));
  // @ts-expect-error: the other's client
  expect(() => meterOpenAI(anthropic, pool)).toThrow(/^client: must be .* such as new OpenAI\(\)$/);
  // @ts-expect-error: the other's client
  expect(() => meterAnthropic(openai, pool)).toThrow(/^client: must be .* such as new Anthropic\(\)$/);
  // @ts-expect-error: no pool
  expect(() => meterOpenAI(openai)).toThrow(
    expect.objectContaining({ code: "LG001", detail: { path: "pool", rule: expect.any(String) } }),
  );
  // @ts-expect-error: no such option
  expect(() => meterAnthropic(anthropic, pool, { streamUsage: true })).toThrow(
    expect.objectContaining({ code: "LG001" }),
  );
});
