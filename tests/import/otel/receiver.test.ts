/** The receiver, with what real programs send it with: OpenTelemetry's SDK and exporter, and the AI SDK's own telemetry. */
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { generateText, stepCountIs, tool } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { afterEach, expect, it } from "vitest";
import { z } from "zod";
import { LARGEST_BODY } from "../../../src/import/otel/body.js";
import { type Receiver, type ReceiverOptions, receiveOtel } from "../../../src/import/otel/receiver.js";
import type { IngestReport } from "../../../src/import/otel/report.js";
import { createLedger, type Ledger } from "../../../src/ledger/ledger.js";
import { useClients } from "../../ledger/client.js";
import { chat, exportOf, span, traceId } from "./otlp.js";

const clients = useClients();
const receivers: Receiver[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});

async function receiving(ledger: Ledger, options: ReceiverOptions = {}) {
  const reports: IngestReport[] = [];
  const receiver = await receiveOtel(ledger, { port: 0, onBatch: (report) => reports.push(report), ...options });
  receivers.push(receiver);
  return { url: receiver.url, reports };
}

const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: (body instanceof Buffer ? body : JSON.stringify(body)) as never,
  });

it("takes what the exporter of OpenTelemetry sends, packed, of a program of the AI SDK as it is", async () => {
  const ledger = await clients.open();
  const { url, reports } = await receiving(ledger);
  const exporter = new OTLPTraceExporter({ url, compression: "gzip" as never });
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  const tracer = provider.getTracer("ai");
  const usage = (input: number, output: number, cacheRead: number | undefined) => ({
    inputTokens: { total: input, noCache: undefined, cacheRead, cacheWrite: undefined },
    outputTokens: { total: output, text: undefined, reasoning: 3 },
  });
  const answers = [
    {
      content: [{ type: "tool-call", toolCallId: "c1", toolName: "weather", input: '{"city":"SECRET"}' }],
      finishReason: { unified: "tool-calls", raw: undefined },
      usage: usage(100, 20, 60),
      warnings: [],
    },
    {
      content: [{ type: "text", text: "SECRET" }],
      finishReason: { unified: "stop", raw: undefined },
      usage: usage(150, 10, undefined),
      warnings: [],
    },
  ];
  const model = new MockLanguageModelV3({
    provider: "openai.responses",
    modelId: "gpt-x",
    doGenerate: async () => answers.shift() as never,
  });
  await generateText({
    model,
    prompt: "SECRET",
    stopWhen: stepCountIs(3),
    tools: { weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async () => "SECRET" }) },
    experimental_telemetry: { isEnabled: true, tracer },
  });
  await provider.shutdown();
  // Without a context manager each span of theirs is a trace of its own, with one: one trace.
  const total = (of: (report: IngestReport) => number): number => reports.map(of).reduce((a, b) => a + b, 0);
  expect([total(({ calls }) => calls.new), total(({ tools }) => tools.new), total(({ rejected }) => rejected)]).toEqual(
    [2, 1, 0],
  );
  const rows = await ledger.db
    .selectFrom("journal")
    .selectAll()
    .where("kind", "=", "metered")
    .orderBy("input_tokens")
    .execute();
  expect(rows).toMatchObject([
    {
      purpose: "tool",
      input_tokens: "0",
      tool_calls: [{ name: "weather", id: "c1", status: "ok", arguments: expect.stringMatching(/^sha256:/) }],
    },
    {
      purpose: "turn",
      provider: "openai",
      model: "gpt-x",
      input_tokens: "100",
      output_tokens: "20",
      cache_read_tokens: "60",
      reasoning_tokens: "3",
    },
    {
      purpose: "turn",
      provider: "openai",
      model: "gpt-x",
      input_tokens: "150",
      output_tokens: "10",
      reasoning_tokens: "3",
    },
  ]);
  expect(JSON.stringify(rows)).not.toContain("SECRET");
});

it("books a batch that is posted by many at once once, packed or not, and says what it did not take", async () => {
  const ledger = await clients.open();
  const { url } = await receiving(ledger);
  const batch = exportOf([span("a", "1", undefined, chat(10, 1)), span("a", "2", undefined, chat(20, 2))]);
  const packed = gzipSync(JSON.stringify(batch));
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) => (n % 2 ? post(url, batch) : post(url, packed, { "content-encoding": "gzip" }))),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  expect(await Promise.all(answers.map((one) => one.json()))).toEqual(Array(8).fill({}));
  const [total] = (await ledger.spentBreakdown(traceId("a"))).filter(({ source }) => source === "total");
  expect(total).toMatchObject({ input_tokens: "30", output_tokens: "3" });

  const partly = await post(
    url,
    exportOf([span("a", "1", undefined, chat(10, 2)), span("a", "3", undefined, chat(1, 1)), { traceId: "?" }]),
  );
  expect(partly.status).toBe(200);
  expect(await partly.json()).toEqual({
    partialSuccess: {
      rejectedSpans: "2",
      errorMessage: expect.stringMatching(/^malformed span: traceId.*; 1{16} says something else/),
    },
  });
});

it("answers what it cannot take with what to do", async () => {
  const ledger = await clients.open();
  const { url } = await receiving(ledger);
  const batch = exportOf([]);
  const codes = async (answered: Promise<Response>): Promise<unknown[]> => {
    const answer = await answered;
    return [answer.status, ((await answer.json()) as { message?: string }).message];
  };
  expect(await codes(post(url, batch, { "content-type": "application/x-protobuf" }))).toEqual([
    415,
    expect.stringMatching(/^application\/x-protobuf: send application\/json .*OTEL_EXPORTER_OTLP_PROTOCOL=http\/json/),
  ]);
  expect(await codes(post(url, batch, { "content-encoding": "br" }))).toEqual([
    415,
    "br: send it plain, or packed with gzip",
  ]);
  expect(await codes(post(url, Buffer.from("{torn")))).toEqual([400, "the body is no JSON"]);
  expect(await codes(post(url, Buffer.from("{}"), { "content-encoding": "gzip" }))).toEqual([400, expect.any(String)]);
  expect(await codes(post(url, { resourceSpans: 1 }))).toEqual([400, expect.any(String)]);
  expect(await codes(post(url, batch, { origin: "http://evil.example" }))).toEqual([403, expect.any(String)]);
  expect(await codes(post(url.replace("traces", "metrics"), batch))).toEqual([404, expect.any(String)]);
  expect(await codes(fetch(url))).toEqual([405, expect.any(String)]);
  // Small when packed, and no more than the bound when not.
  const bomb = gzipSync(Buffer.alloc(LARGEST_BODY + 1, " "));
  expect(await codes(post(url, bomb, { "content-encoding": "gzip" }))).toEqual([413, expect.any(String)]);
  expect(await codes(post(url, batch))).toEqual([200, undefined]);
  // One that breaks off is nobody's loss.
  const torn = request(url, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": "100", "content-encoding": "gzip" },
  });
  torn.on("error", () => {});
  torn.write(gzipSync("{}").subarray(0, 5), () => torn.destroy());
  await new Promise((resolve) => torn.once("close", resolve));
});

it("asks to come again while the ledger cannot be reached, and takes the same batch then", async () => {
  const ledger = await clients.open();
  const errors: unknown[] = [];
  const nowhere = createLedger({ connectionString: "postgres://u:p@127.0.0.1:1/x", tenantId: ledger.tenantId });
  const down = { is: true };
  const through = {
    tenantId: ledger.tenantId,
    db: ledger.db,
    read: ledger.read.bind(ledger),
    apply: (...asked: Parameters<Ledger["apply"]>) => (down.is ? nowhere.apply(...asked) : ledger.apply(...asked)),
  };
  const { url } = await receiving(through as unknown as Ledger, { onError: (error) => errors.push(error) });
  const batch = exportOf([span("a", "1", undefined, chat(10, 1))]);
  const refused = await post(url, batch);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(errors).toMatchObject([{ retryable: true }]);
  await nowhere.close();
  down.is = false;
  expect((await post(url, batch)).status).toBe(200);
  const [total] = (await ledger.spentBreakdown(traceId("a"))).filter(({ source }) => source === "total");
  expect(total).toMatchObject({ input_tokens: "10" });
});

it("answers what is under way before it stops, and takes nothing after", async () => {
  const ledger = await clients.open();
  const receiver = await receiveOtel(ledger, { port: 0 });
  const answers = Array.from({ length: 4 }, (_, n) =>
    post(receiver.url, exportOf([span(String(n + 1), "1", undefined, chat(1, 1))])),
  );
  // The first to be answered shows that the others have arrived.
  await Promise.race(answers);
  await receiver.close();
  const ended = await Promise.allSettled(answers);
  const taken = ended.filter((one) => one.status === "fulfilled" && one.value.status === 200).length;
  const runs = await ledger.db.selectFrom("runs").select("run_id").execute();
  expect(runs).toHaveLength(taken);
  await expect(post(receiver.url, exportOf([]))).rejects.toThrow();
});
