/** Spans into the ledger: each call once, however often it comes, in which order, with which others, and from how many at a time. */
import { expect, it } from "vitest";
import { Ingest, type Where } from "../../../src/import/otel/ingest.js";
import { checkWhere } from "../../../src/import/otel/where.js";
import { useClients } from "../../ledger/client.js";
import { chat, read, START_MS, span, spanId, traceId } from "./otlp.js";
import { spentIn } from "./spent.js";

const clients = useClients();

const agent = {
  "gen_ai.operation.name": "invoke_agent",
  "gen_ai.agent.name": "clerk",
  "gen_ai.usage.input_tokens": 999,
};
const tool = (status: object) =>
  span(
    "a",
    "4",
    "1",
    { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1" },
    status,
  );

it("a trace is a run: its calls with what they state, its tools with how they ended, sums of agents not counted", async () => {
  const ledger = await clients.open();
  const spans = [
    span("a", "1", undefined, agent),
    span("a", "2", "1", chat(100, 20, { "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.response.id": "req-1" })),
    span("a", "3", "1", chat(50, 5, { "gen_ai.agent.name": "clerk" })),
    tool({ status: { code: 2 } }),
    span("a", "5", "1", chat(7, 7, { "agent_ledger.run.id": "r" })),
  ];
  const report = await new Ingest(ledger).book(read(...spans));
  expect(report).toEqual({
    spans: 5,
    traces: 1,
    calls: { found: 2, new: 2, existing: 0, wrappers: 0 },
    tools: { found: 1, new: 1, existing: 0 },
    corrected: 0,
    others: 1,
    ours: 1,
    rejected: 0,
    problems: [],
  });
  const run = traceId("a");
  expect(await spentIn(ledger, run)).toEqual([150, 25, true, 3]);
  const rows = await ledger.db.selectFrom("journal").selectAll().where("kind", "=", "metered").orderBy("seq").execute();
  expect(rows).toMatchObject([
    {
      pool_id: run,
      run_id: run,
      operation_id: `otel:${run}:${spanId("2")}`,
      provider: "openai",
      model: "gpt-x",
      provider_request_id: "req-1",
      purpose: "turn",
      input_tokens: "100",
      cache_read_tokens: "60",
      ms: "1000",
      usd: null,
      usd_known: false,
      tags: { service: "shop" },
      effective_at: new Date(START_MS + 1_000),
    },
    { tags: { service: "shop", agent: "clerk" } },
    { purpose: "tool", usd: "0", usd_known: true, tool_calls: [{ name: "search", id: "c1", status: "error" }] },
  ]);
  expect(JSON.stringify(rows)).not.toContain("SECRET");
  const runs = await ledger.db.selectFrom("runs").select(["run_id", "label", "outcome"]).execute();
  expect(runs).toEqual([{ run_id: run, label: "shop", outcome: null }]);
  const tools = await ledger.db.selectFrom("tool_calls").selectAll().execute();
  expect(tools).toMatchObject([{ run_id: run, tool: "search", status: "error" }]);

  // Again, in a part and with more: only what is new.
  const later = await new Ingest(ledger).book(
    read(...spans.slice(1, 3), span("a", "6", "1", { "gen_ai.operation.name": "chat" })),
  );
  expect(later.calls).toEqual({ found: 3, new: 1, existing: 2, wrappers: 0 });
  expect(await spentIn(ledger, run)).toEqual([150, 25, false, 4]);
  const again = await new Ingest(ledger).book(read(...spans, ...spans));
  expect(again).toMatchObject({
    calls: { found: 2, new: 0, existing: 2 },
    tools: { found: 1, new: 0, existing: 1 },
    rejected: 0,
  });
  expect(await spentIn(ledger, run)).toEqual([150, 25, false, 4]);
});

/** A call that wraps a call, with a span of no call between them. */
const wrapped = (trace: string) => [
  span(trace, "1", undefined, chat(100, 20)),
  span(trace, "2", "1", { "http.request.method": "POST" }),
  span(trace, "3", "2", chat(90, 20)),
];

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

it("counts the innermost of calls that wrap each other, in whatever order they come, one by one", async () => {
  const ledger = await clients.open();
  for (const [place, order] of ORDERS.entries()) {
    const digit = String(place + 1);
    const ingest = new Ingest(ledger);
    let corrected = 0;
    for (const which of order) {
      const [one = {}] = wrapped(digit).slice(which);
      corrected += (await ingest.book(read(one))).corrected;
    }
    const [input, output, known] = await spentIn(ledger, traceId(digit));
    // A wrapper that came before what is below it is booked first, then taken back.
    const isFirst = order.indexOf(0) < Math.max(order.indexOf(1), order.indexOf(2));
    expect([order, input, output, known, corrected]).toEqual([order, 90, 20, true, isFirst ? 1 : 0]);
    // The next process, which remembers nothing, finds nothing to do.
    const again = await new Ingest(ledger).book(read(...wrapped(digit)));
    expect(again).toMatchObject({ calls: { found: 2, new: 0, existing: 1, wrappers: 1 }, corrected: 0, rejected: 0 });
  }
});

it("goes on where another process was: what is between two calls may come before or with the outer one", async () => {
  const ledger = await clients.open();
  for (const [digit, parts] of [
    ["1", [[2], [1, 0]]],
    ["2", [[2, 1], [0]]],
    ["3", [[0], [1, 2]]],
  ] as const) {
    for (const part of parts) await new Ingest(ledger).book(read(...part.map((which) => wrapped(digit)[which] ?? {})));
    expect((await spentIn(ledger, traceId(digit))).slice(0, 3)).toEqual([90, 20, true]);
  }
  // A call without tokens below one that has them: what is known is counted, and that something is not.
  const silent = span("4", "2", "1", { "gen_ai.operation.name": "chat" });
  await new Ingest(ledger).book(read(span("4", "1", undefined, chat(100, 20)), silent));
  expect(await spentIn(ledger, traceId("4"))).toEqual([100, 20, false, 2]);
});

it("books once what comes from several at a time, the same or parts of one trace", async () => {
  const ledger = await clients.open();
  const others = [ledger, clients.again(ledger), clients.again(ledger)].map((one) => new Ingest(one));
  const batch = read(...["2", "3", "4", "5"].map((id) => span("a", id, "1", chat(10, 1))));
  const reports = await Promise.all([...others, ...others].map((ingest) => ingest.book(batch)));
  expect(reports.map(({ rejected }) => rejected)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(reports.reduce((sum, { calls }) => sum + calls.new, 0)).toBe(4);
  expect(await spentIn(ledger, traceId("a"))).toEqual([40, 4, true, 4]);

  const [outer = {}, , inner = {}] = wrapped("b");
  const direct = { ...inner, parentSpanId: spanId("1") };
  await Promise.all([outer, direct, outer, direct].map((one, n) => others[n % 3]?.book(read(one))));
  expect((await spentIn(ledger, traceId("b"))).slice(0, 3)).toEqual([90, 20, true]);
});

it("tells of what it does not take, and takes the rest", async () => {
  const ledger = await clients.open();
  const at = (ms: number) => ({ endTimeUnixNano: `${ms}000000` });
  const future = span("a", "2", "1", chat(10, 1), at(Date.now() + 3_600_000));
  const first = await new Ingest(ledger).book(read(span("a", "3", "1", chat(5, 5)), future));
  expect(first).toMatchObject({
    calls: { new: 2 },
    rejected: 0,
    problems: [
      {
        trace: traceId("a"),
        span: spanId("2"),
        problem: expect.stringContaining("in the future by the clock of the database"),
      },
    ],
  });
  const changed = await new Ingest(ledger).book(
    read(span("a", "3", "1", chat(5, 6)), future, span("a", "4", "1", chat(1, 1))),
  );
  expect(changed).toMatchObject({
    calls: { found: 3, new: 1, existing: 1 },
    rejected: 1,
    problems: [{ span: spanId("3"), problem: "says something else than what is booked of it: not taken" }],
  });
  expect(await spentIn(ledger, traceId("a"))).toEqual([16, 7, true, 3]);

  // Another pool cannot count it again.
  await ledger.openPool({ tokens: 1_000 }, { poolId: "lab" });
  const elsewhere = await new Ingest(ledger, { pool: "lab" }).book(read(span("a", "3", "1", chat(5, 5))));
  expect(elsewhere).toMatchObject({
    calls: { new: 0 },
    rejected: 1,
    problems: [{ problem: `not booked: it is booked already, in the pool ${traceId("a")}` }],
  });
});

it("books in one pool, or in runs below one, whose caps see it", async () => {
  const ledger = await clients.open();
  const check = (where: Where) => checkWhere(ledger, where);
  await ledger.openPool({ tokens: 100 }, { poolId: "capped" });
  await ledger.openPool({ usd: 5 }, { poolId: "dollars", unknownUsd: "flag" });
  await expect(check({ parent: "capped" })).rejects.toThrow(/caps tokens.*--pool/);
  await expect(check({ pool: "none" })).rejects.toThrow("There is no pool none");
  await expect(check({ pool: "capped", parent: "dollars" })).rejects.toThrow("not both");
  await check({ pool: "capped" });
  await check({ parent: "dollars" });

  const spans = wrapped("a");
  for (const one of spans)
    await new Ingest(ledger, { pool: "capped" }).book(read(one, span("c", "1", undefined, chat(30, 0))));
  const free = await ledger.pool("capped").readout();
  // The wrapper came first, and without what is between the two; nobody could know.
  expect(free.tokensLeft).toBe(100 - 30 - 120 - 110);
  const known = await new Ingest(ledger, { pool: "capped" }).book(read(...spans));
  expect(known).toMatchObject({ corrected: 1, calls: { wrappers: 1, existing: 1 } });
  expect((await ledger.pool("capped").readout()).tokensLeft).toBe(100 - 30 - 110);

  await ledger.putPrices("book", [
    { provider: "openai", model: "gpt-x", match: "exact", token_class: "input", usd_per_million: "1000" },
  ]);
  await ledger.usePrices("book");
  await new Ingest(ledger, { parent: "dollars" }).book(read(span("d", "1", undefined, chat(2_000, 0))));
  const below = await ledger.db
    .selectFrom("pools")
    .select(["pool_id", "parent_pool_id"])
    .where("pool_id", "=", traceId("d"))
    .execute();
  expect(below).toEqual([{ pool_id: traceId("d"), parent_pool_id: "dollars" }]);
  expect((await ledger.pool("dollars").readout()).usdLeft).toBe("3");
  // What a run stands under never changes.
  await ledger.openPool({}, { poolId: "other" });
  const moved = await new Ingest(ledger, { parent: "other" }).book(read(span("d", "2", undefined, chat(1_000, 0))));
  const problem = "its run stands below dollars already, and not below other: it stays there";
  expect(moved).toMatchObject({ calls: { new: 1 }, rejected: 0, problems: [{ trace: traceId("d"), problem }] });
  expect((await ledger.pool("dollars").readout()).usdLeft).toBe("2");

  await ledger.apply([{ op: "freeze", operation_id: "f", pool_id: "dollars" }]);
  const frozen = await new Ingest(ledger, { parent: "dollars" }).book(read(span("e", "1", undefined, chat(1, 1))));
  expect(frozen).toMatchObject({
    rejected: 1,
    problems: [{ trace: traceId("e"), problem: "its run cannot be opened: pool-frozen" }],
  });
  await ledger.apply([{ op: "thaw", operation_id: "t", pool_id: "dollars" }]);
  const thawed = await new Ingest(ledger, { parent: "dollars" }).book(read(span("e", "1", undefined, chat(1, 1))));
  expect(thawed).toMatchObject({ rejected: 0, calls: { new: 1 } });
});
