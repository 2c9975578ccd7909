/**
 * Both ways of OpenTelemetry. A program of the AI SDK with its telemetry on: its spans go to `agent-ledger receive otel --pool shop`, and what
 * it spent is in the pool. And a supervised run, told as spans to the same place: its ledger has it already, so nothing counts twice. The
 * models are scripted, so that it runs without a network.
 */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { generateText } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { coordinationDriverAgent, createLedger, scriptedChat, tracedSupervisor, worker } from "../../../src/index.js";

// Where to is said by OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318.
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });

const model = new MockLanguageModelV3({
  provider: "openai.chat",
  modelId: "gpt-4o",
  doGenerate: async () => ({
    content: [{ type: "text", text: "Rivers run to the sea." }],
    finishReason: { unified: "stop", raw: "stop" },
    usage: {
      inputTokens: { total: 1_200, noCache: 200, cacheRead: 1_000, cacheWrite: undefined },
      outputTokens: { total: 300, text: 300, reasoning: undefined },
    },
    warnings: [],
  }),
});
const telemetry = {
  isEnabled: true,
  tracer: tracerProvider.getTracer("shop"),
  recordInputs: false,
  recordOutputs: false,
};
await generateText({ model, prompt: "A line on rivers.", experimental_telemetry: telemetry });

const ledger = createLedger({ tenantId: "local" });
const writer = worker("writer", () => ({
  out: "about rivers",
  verdict: { valid: true },
  spent: { input_tokens: 900, output_tokens: 300, usd: "0.004" },
}));
const editor = coordinationDriverAgent({
  name: "editor",
  chat: scriptedChat([
    {
      toolCalls: [{ name: "spawn_worker", arguments: { profile: "writer", task: "rivers" } }],
      usage: { input: 500, output: 40 },
      costUsd: "0.002",
    },
    { toolCalls: [{ name: "await_event" }], usage: { input: 500, output: 40 }, costUsd: "0.002" },
    { usage: { input: 500, output: 40 }, costUsd: "0.002" },
  ]),
  profiles: { writer },
  perWorker: { maxTokens: 2_000, maxIterations: 1, maxUsd: "0.01" },
});

const supervisor = tracedSupervisor({ ledger }, { tracerProvider });
const result = await supervisor.run(editor, "rivers", {
  runId: "rivers",
  budget: { tokens: 20_000, iterations: 5, usd: 1 },
});
console.log("run:", result.kind, result.spentTotal.charged_tokens, "tokens", result.spentTotal.usd, "dollars");

// A batch is answered when it is booked: after this the ledger has the spans.
await tracerProvider.shutdown();
const pool = await ledger.pool("shop").readout();
console.log("pool:", pool.tokensLeft, "tokens left of 10000");
await ledger.close();
