/** `import otel` and `receive otel`: what they say of good input and of bad, and how the receiver stops. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chat, exportOf, span, spanId, traceId } from "../import/otel/otlp.js";
import { begin, tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
let folder: string;
beforeAll(async () => {
  ledger = await createTestLedger();
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-otel-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await ledger.close();
});

async function file(name: string, ...documents: unknown[]): Promise<string> {
  const path = join(folder, name);
  const text = documents.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
  await writeFile(path, `${text.join("\n")}\n`);
  return path;
}

it("imports lines as a collector writes them, tells of what it did not take, and adds nothing twice", async () => {
  const first = exportOf([span("a", "1", undefined, chat(100, 20)), span("a", "2", "1", chat(90, 20))]);
  const tool = { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search" };
  const second = exportOf([span("a", "3", "1", tool), span("b", "1", undefined, chat(5, 5), { spanId: "x" })]);
  const path = await file("spans.jsonl", first, { resourceMetrics: [] }, second, '{"resourceSpans": [');
  const imported = await ledger.run("import", "otel", path);
  expect(imported).toMatchObject({ code: 1, stderr: "" });
  expect(tableOf(imported.stdout, "Imported from")).toEqual([
    ["model calls", "2", "1", "0"],
    ["tool calls", "1", "1", "0"],
  ]);
  expect(imported.stdout).toContain("line 4: is no JSON: not taken\nmalformed span: spanId: must be 16 hex digits\n");
  expect(imported.stdout).toContain(
    "1 calls are counted by the calls below them\n2 were not taken\n4 spans, 1 traces with calls",
  );

  const pretty = await file("one.json", JSON.stringify(first, null, 2));
  const again = await ledger.json<object>("import", "otel", pretty);
  expect(again).toMatchObject({
    file: pretty,
    calls: { found: 2, new: 0, existing: 1, wrappers: 1 },
    rejected: 0,
    problems: [],
  });
  const shown = await ledger.json<{ sources: object[] }>("breakdown", traceId("a"));
  expect(JSON.stringify(shown)).toContain('"input_tokens":"90"');
});

it("says what is no export, and where nothing can be booked", async () => {
  const none = await file("none.json", { spans: [] });
  const refused = await ledger.failure("import", "otel", none);
  expect(refused.message).toMatch(/holds no spans of OTLP \(line 1 has no resourceSpans: not taken\): it must be/);
  expect((await ledger.failure("import", "otel", join(folder, "nowhere"))).message).toMatch(
    /nowhere cannot be read \(ENOENT\)/,
  );
  const good = await file("good.json", exportOf([span("c", "1", undefined, chat(1, 1))]));
  expect((await ledger.failure("import", "otel", good, "--pool", "none")).message).toContain("There is no pool none");
  expect((await ledger.run("import", "otel", good, "--pool", "p", "--parent", "q")).code).toBe(2);
  expect((await ledger.run("receive", "otel", "--port", "70000")).code).toBe(2);
  await ledger.run("pool", "open", "lab", "--tokens", "1000");
  expect(await ledger.json("import", "otel", good, "--pool", "lab")).toMatchObject({ calls: { new: 1 } });
  const { channels } = await ledger.json<{ channels: object[] }>("pool", "show", "lab");
  expect(channels).toMatchObject([{ channel: "tokens", committed: "2" }, {}, {}]);
});

it("receives until it is told to stop, and says what came", async () => {
  const receiver = begin(["receive", "otel", "--port", "0"], ledger.environment);
  const [, url = ""] = /Receiving at (\S+)\n/.exec(await receiver.until(/Receiving at \S+\n/)) ?? [];
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1\/traces$/);
  const body = JSON.stringify(exportOf([span("d", "1", undefined, chat(7, 8)), { spanId: spanId("2") }]));
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  expect(await answer.json()).toMatchObject({ partialSuccess: { rejectedSpans: "1" } });
  const [, port = ""] = /:(\d+)\//.exec(url) ?? [];
  expect((await ledger.failure("receive", "otel", "--port", port)).message).toMatch(
    /cannot be listened on \(EADDRINUSE\)/,
  );
  receiver.child.kill("SIGTERM");
  const ended = await receiver.ended;
  expect(ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/^malformed span: traceId/) });
  expect(ended.stdout).toContain("1 batches: 1 model calls and 0 tool calls were new, 1 spans were not taken");
  expect(JSON.stringify(await ledger.json("breakdown", traceId("d")))).toContain('"output_tokens":"8"');
});
