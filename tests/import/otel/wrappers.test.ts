/** Which calls are wrappers, whose figures are told again by a call below them, and which are calls of their own. */
import { expect, it } from "vitest";
import { Ingest } from "../../../src/import/otel/ingest.js";
import { useClients } from "../../ledger/client.js";
import { chat, read, span, traceId } from "./otlp.js";
import { spentIn } from "./spent.js";

const clients = useClients();

const tool = { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search" };
const embeddings = { ...chat(10, 0), "gen_ai.operation.name": "embeddings" };
const http = { "http.request.method": "POST" };

/** A chat, what it is above of, and below that a call of its own: what both come to, and what the inner one does. */
const CASES = [
  ["a tool that embeds", tool, embeddings, 10_010],
  ["a tool that is an agent", tool, chat(20, 5), 10_020],
  ["an agent", { "gen_ai.operation.name": "invoke_agent" }, chat(20, 5), 10_020],
  ["a workflow", { "traceloop.span.kind": "workflow" }, chat(20, 5), 10_020],
  ["a request for embeddings", http, embeddings, 10_010],
  ["a request", http, chat(20, 5), 20],
  ["a chain", { "openinference.span.kind": "CHAIN" }, chat(20, 5), 20],
] as const;

const ORDERS = [[[0, 1, 2]], [[0], [1], [2]], [[2], [1], [0]], [[1], [2], [0]], [[0], [2], [1]]];

it("a call is one of its own where a tool or an agent stands between, and where it makes embeddings, in every order", async () => {
  const ledger = await clients.open();
  for (const [row, [what, between, inner, input]] of CASES.entries()) {
    for (const [column, order] of ORDERS.entries()) {
      const trace = `${row}${column}`.padEnd(32, "f");
      const of = (one: object) => ({ ...one, traceId: trace });
      const spans = [
        span("a", "1", undefined, chat(10_000, 500)),
        span("a", "2", "1", between),
        span("a", "3", "2", inner),
      ];
      const ingest = new Ingest(ledger);
      for (const part of order) await ingest.book(read(...part.map((place) => of(spans[place] ?? {}))));
      expect([what, order, (await spentIn(ledger, trace)).slice(0, 3)]).toEqual([
        what,
        order,
        [input, expect.any(Number), true],
      ]);
      // Whoever remembers nothing has nothing to do.
      const again = await new Ingest(ledger).book(read(...spans.map(of)));
      expect(again).toMatchObject({ calls: { found: 2, new: 0 }, corrected: 0, rejected: 0 });
    }
  }
});

it("embeddings are wrappers of embeddings", async () => {
  const ledger = await clients.open();
  const doEmbed = { "ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 10 };
  const report = await new Ingest(ledger).book(
    read(span("a", "1", undefined, doEmbed), span("a", "2", "1", embeddings)),
  );
  expect(report).toMatchObject({ calls: { found: 2, new: 1, wrappers: 1 } });
  expect(await spentIn(ledger, traceId("a"))).toEqual([10, 0, true, 1]);
});

it("a circle wraps nothing, and a wrapper that says something else is one still", async () => {
  const ledger = await clients.open();
  const circle = [
    span("a", "1", "2", chat(100, 10)),
    span("a", "2", "1", chat(50, 5)),
    span("a", "3", "2", chat(1, 1)),
  ];
  const round = await new Ingest(ledger).book(read(...circle));
  expect(round).toMatchObject({ calls: { found: 3, new: 3, wrappers: 0 } });
  const ingest = new Ingest(ledger);
  for (const one of circle) await ingest.book(read({ ...one, traceId: traceId("b") }));
  expect([await spentIn(ledger, traceId("a")), await spentIn(ledger, traceId("b"))]).toEqual([
    [151, 16, true, 3],
    [151, 16, true, 3],
  ]);

  await new Ingest(ledger).book(read(span("c", "1", undefined, chat(100, 10))));
  const changed = read(span("c", "1", undefined, chat(101, 10)), span("c", "2", "1", chat(100, 10)));
  const told = { calls: { found: 2, new: 1, existing: 0, wrappers: 1 }, corrected: 1, rejected: 0, problems: [] };
  expect(await new Ingest(ledger).book(changed)).toMatchObject(told);
  expect((await spentIn(ledger, traceId("c"))).slice(0, 3)).toEqual([100, 10, true]);
});

it("keeps nothing of what people say, wherever a program writes it", async () => {
  const ledger = await clients.open();
  const said = "S3CRET: what was said";
  const texts = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "exception.message",
    "ai.prompt",
  ];
  const base = chat(5, 5, Object.fromEntries(texts.map((name) => [name, said])));
  const given = { "gen_ai.tool.call.arguments": said, "gen_ai.tool.call.result": said };
  const failed = { status: { code: 2, message: said }, traceState: said };
  const report = await new Ingest(ledger).book(
    read(
      span("1", "1", undefined, base, { name: `chat ${said}`, ...failed }),
      span("1", "2", undefined, { "gen_ai.operation.name": "execute_tool", ...given }, { name: "execute_tool S3CRET" }),
      span(
        "1",
        "3",
        undefined,
        { "ai.operationId": "ai.toolCall", "ai.toolCall.args": said },
        { name: "ai.toolCall S3CRET" },
      ),
      span("1", "4", undefined, {
        ...tool,
        "gen_ai.tool.name": `search(${said})`,
        "error.type": `ValueError: ${said}`,
      }),
      span("1", "5", undefined, { ...base, "gen_ai.operation.name": `answer ${said}`, "error.type": said }),
      span("1", "6", undefined, { ...base, "error.type": "openai.RateLimitError" }),
      { ...span("1", "7", undefined, base), spanId: said },
    ),
  );
  expect(report).toMatchObject({ calls: { new: 3 }, tools: { new: 3 }, rejected: 1 });
  expect(JSON.stringify(report)).not.toContain("S3CRET");
  const { pool } = clients.database;
  const tables = await pool.query<{ place: string }>(
    "select format('%I.%I', schemaname, tablename) as place from pg_tables where schemaname like 'ledger%'",
  );
  expect(tables.rows.length).toBeGreaterThan(10);
  for (const { place } of tables.rows) {
    const found = await pool.query(`select 1 from ${place} t where t::text like '%S3CRET%'`);
    expect([place, found.rowCount]).toEqual([place, 0]);
  }
  const rows = await ledger.db
    .selectFrom("journal")
    .select(["tool_calls", "detail"])
    .where("kind", "=", "metered")
    .orderBy("seq")
    .execute();
  const told = rows.map(({ tool_calls, detail }) => ({ tool_calls, detail: (detail as { otel: object }).otel }));
  expect(told).toMatchObject([
    { tool_calls: null, detail: { operation: "chat" } },
    { tool_calls: [{ name: "tool" }], detail: { operation: "execute_tool" } },
    { tool_calls: [{ name: "tool" }], detail: { operation: "ai.toolCall" } },
    { tool_calls: [{ name: "tool" }], detail: { operation: "execute_tool", error: "_OTHER" } },
    { tool_calls: null, detail: { error: "_OTHER" } },
    { tool_calls: null, detail: { operation: "chat", error: "openai.RateLimitError" } },
  ]);
});
