/** What of a trace is booked, and that the database finds in it what a reading of the trace finds. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Operation, ToolCall } from "../../../src/ledger/protocol.js";
import type { ToolSpan } from "../../../src/supervise/traces/span.js";
import { toolCallsOf } from "../../../src/supervise/traces/tool-calls.js";
import { analyzeTrace } from "../../../src/supervise/traces/watch.js";
import { useClients } from "../../ledger/client.js";
import { randomSpans } from "./random-spans.js";

const clients = useClients();

it("books names, ids, digests and endings, and not a word of what was asked or answered", () => {
  const span = (more: Partial<ToolSpan>): ToolSpan => ({
    name: "f",
    args: { b: 1, a: [1.0] },
    start: 1,
    end: 2,
    ...more,
  });
  const spans = [
    span({ id: "c1", status: "error", error: "secret", result: "secret" }),
    span({ id: "c1", status: "ok" }),
    span({ args: "secret" }),
    span({ args: undefined, status: "ok" }),
    span({ name: "x".repeat(201), args: Symbol("none"), id: "a\tb" }),
    null as never,
  ];
  // By sha256sum, of {"a":[1],"b":1}, of "secret" in quotation marks, and of the name of 201 letters.
  expect(toolCallsOf(spans)).toEqual([
    {
      name: "f",
      id: "c1",
      arguments: "sha256:964ac5a0bb65d615144e0fca569cac7f8f8c7c6647f35a79c8f399878e5b9af6",
      status: "error",
    },
    { name: "f", arguments: "sha256:c1980264fc223a890afae83c91bd2d438ef2ad0dae751fdea3660c3e556b1396" },
    { name: "f", status: "ok" },
    {
      name: `${"x".repeat(128)}~sha256:84a0678c90937f5dcf9994d5866668da6b995109c8ad845410559b48a4ecafed`,
      id: "a\ufffdb",
    },
  ]);
});

it("finds in the database what it finds in the trace", async () => {
  const ledger = await clients.open();
  let runs = 0;
  let findings = 0;

  const booked = fc.asyncProperty(randomSpans(40), fc.array(fc.nat(9), { maxLength: 40 }), async (calls, sizes) => {
    const spans = calls.map(({ span }) => span);
    const poolId = `trace-${++runs}`;
    const turns = inTurns(spans, sizes);
    const meter = (toolCalls: ToolCall[], turn: number): Operation => ({
      op: "meter",
      operation_id: `${poolId}/${turn}`,
      pool_id: poolId,
      turn,
      spend: { iterations: 0, input_tokens: 1, output_tokens: 1, usd_known: false },
      tool_calls: toolCalls,
    });
    const open = { op: "open_pool", operation_id: poolId, pool_id: poolId, channels: { tokens: { total: 100 } } };
    const answers = await ledger.apply([open, ...turns.map(meter)]);
    expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);

    // Where each call of the trace stands in the journal: the row of its turn, and its place there.
    const seen = new Set<string>();
    const places = turns.flatMap((turn, n) =>
      turn.flatMap(({ id }, position) => {
        if (id !== undefined && seen.has(id)) return [];
        if (id !== undefined) seen.add(id);
        return [{ seq: String(answers[n + 1]?.result.seq), position }];
      }),
    );
    const expected = (await analyzeTrace(spans)).findings;
    if (expected === "unavailable") throw new Error("a list of spans is always readable");
    findings += expected.length;
    const rows = await ledger.db
      .selectFrom("tool_findings")
      .where("tenant_id", "=", ledger.tenantId)
      .where("pool_id", "=", poolId)
      .select(["detector", "tool", "streak", "first_seq", "seq", "position"])
      .orderBy("seq")
      .orderBy("position")
      .orderBy("detector", "desc")
      .execute();
    expect(rows).toEqual(
      expected.map(({ detector, tool, streak, first, position }) => ({
        detector,
        tool: tool ?? null,
        streak: String(streak),
        first_seq: places[first]?.seq,
        ...places[position],
      })),
    );
  });
  await fc.assert(booked, { numRuns: 30, seed: 66 });
  expect(findings).toBeGreaterThan(50);
});

/** The tool calls of the spans, turn by turn: some turns call many tools, some none. */
function inTurns(spans: readonly ToolSpan[], sizes: readonly number[]): ToolCall[][] {
  const turns: ToolCall[][] = [];
  let next = 0;
  for (const size of [...sizes, spans.length]) {
    turns.push(toolCallsOf(spans.slice(next, next + size)));
    next += size;
  }
  return turns;
}
