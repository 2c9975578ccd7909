/** Calls of three providers, booked with what each said that they used: two answers, and a stream that broke off. */
import { createLedger, readStream, reportOf } from "../../../src/index.js";

const ledger = createLedger({ tenantId: "local" });
const pool = await ledger.openPool(
  { tokens: 50_000 },
  { poolId: "three-providers", run: { label: "Three providers" } },
);

// Gemini: thoughts come on top of the answer.
const answer = {
  candidates: [
    { content: { parts: [{ functionCall: { name: "look_up", args: { city: "Lisbon" } } }] }, finishReason: "STOP" },
  ],
  usageMetadata: {
    promptTokenCount: 9_000,
    cachedContentTokenCount: 8_000,
    candidatesTokenCount: 150,
    thoughtsTokenCount: 640,
    totalTokenCount: 9_790,
  },
  modelVersion: "gemini-2.5-pro",
  responseId: "PpKhaI",
};
const { spend, model, providerRequestId, tools } = reportOf("gemini", answer);
const toolCalls = tools.map(({ name }) => name);
await pool.observe(spend, { provider: "google", model, providerRequestId, toolCalls });

// Bedrock: what was read from the cache and written to it comes on top of the prompt. The answer does not name its model.
const converse = {
  output: { message: { role: "assistant", content: [{ text: "It is 21 degrees in Lisbon." }] } },
  stopReason: "end_turn",
  usage: {
    inputTokens: 30,
    outputTokens: 120,
    totalTokens: 5_550,
    cacheReadInputTokens: 4_000,
    cacheWriteInputTokens: 1_400,
  },
};
await pool.observe(reportOf("bedrock", converse).spend, {
  provider: "aws",
  model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
});

// Anthropic: the connection was lost after two events.
const events = [
  {
    type: "message_start",
    message: { id: "msg_01", model: "claude-sonnet-4-5", usage: { input_tokens: 470, output_tokens: 2 } },
  },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "It is" } },
];
const stream = readStream("anthropic");
for (const event of events) stream.add(event);
const heard = stream.report();
await pool.observe(heard.spend, {
  provider: "anthropic",
  model: heard.model,
  purpose: heard.complete ? "turn" : "failed",
});

for (const row of await ledger.db
  .selectFrom("journal")
  .selectAll()
  .where("kind", "=", "metered")
  .orderBy("seq")
  .execute()) {
  const { provider, input_tokens, cache_read_tokens, output_tokens, reasoning_tokens, tokens_known, tool_calls } = row;
  console.log(
    provider,
    input_tokens,
    cache_read_tokens,
    output_tokens,
    reasoning_tokens,
    tokens_known,
    JSON.stringify(tool_calls),
  );
}
for (const { source, charged_tokens, usd, tokens_known, usd_known } of await ledger.spentBreakdown("three-providers")) {
  console.log(source, charged_tokens, "tokens", usd, "dollars", tokens_known, usd_known);
}
await ledger.close();
