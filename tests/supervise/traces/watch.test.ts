/** Traces watched and read: the same findings, whatever comes and whoever listens. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { errorStreak, repeatedAction, type TraceDetector } from "../../../src/supervise/traces/detectors.js";
import { createPushTraceSource } from "../../../src/supervise/traces/push-source.js";
import type { TraceFinding } from "../../../src/supervise/traces/report.js";
import type { TraceSource } from "../../../src/supervise/traces/source.js";
import type { ToolSpan } from "../../../src/supervise/traces/span.js";
import { analyzeTrace, watchTrace } from "../../../src/supervise/traces/watch.js";
import { expectedFindings, randomSpans } from "./random-spans.js";

const span = (name: string, args: unknown = {}, more: Partial<ToolSpan> = {}): ToolSpan => {
  return { name, args, start: 1, end: 2, ...more };
};
const times = (n: number, one: ToolSpan): ToolSpan[] => Array.from({ length: n }, () => one);
/** Detector, streak and place of each finding. */
const short = (findings: readonly TraceFinding[] | "unavailable"): unknown =>
  findings === "unavailable"
    ? findings
    : findings.map(({ detector, streak, position }) => [detector, streak, position]);
const found = async (spans: readonly ToolSpan[], detectors?: readonly TraceDetector[]): Promise<unknown> =>
  short((await analyzeTrace(spans, { detectors })).findings);

/** A source that can only be iterated. */
function read(spans: readonly ToolSpan[]): TraceSource {
  return {
    async *[Symbol.asyncIterator]() {
      yield* spans;
    },
  };
}

it("finds the same live, when it is read, and when it is worked out by looking back", async () => {
  const trace = fc.asyncProperty(randomSpans(80), fc.nat(80), async (calls, cut) => {
    const spans = calls.map((call) => call.span);
    const told: TraceFinding[][] = [[], [], []];
    const pushed = createPushTraceSource();
    const live = watchTrace(pushed.source, { onFinding: (finding) => told[0]?.push(finding) });
    for (const one of spans.slice(0, cut)) pushed.push(one);
    const late = watchTrace(pushed, { onFinding: (finding) => told[1]?.push(finding) });
    for (const one of spans.slice(cut)) pushed.push(one);
    pushed.end();
    const iterated = watchTrace(read(spans), { onFinding: (finding) => told[2]?.push(finding) });
    const reports = await Promise.all([
      live.done,
      late.done,
      iterated.done,
      analyzeTrace(spans),
      analyzeTrace(read(spans)),
      analyzeTrace(pushed),
    ]);
    for (const report of reports) expect(report).toEqual(reports[0]);
    const findings = reports[0]?.findings;
    for (const heard of told) expect(heard).toEqual(findings);
    const expected = expectedFindings(calls);
    expect(findings).toEqual(expected.map((finding) => expect.objectContaining(finding)));
  });
  await fc.assert(trace, { numRuns: 80, seed: 6 });
});

describe("a repeated action", () => {
  it("is told at 3, 6, 12 and 24 of the same tool and arguments, whatever the order of keys", async () => {
    const calls = Array.from({ length: 24 }, (_, n) => span("f", n % 2 ? { a: 1, b: 2 } : { b: 2, a: 1 }));
    expect(await found(calls)).toEqual([3, 6, 12, 24].map((n) => ["repeated-action", n, n - 1]));
  });

  it.each([
    ["another tool between", [...times(2, span("f")), span("g"), ...times(2, span("f"))]],
    ["other arguments between", [...times(2, span("f", 1)), span("f", 2), ...times(2, span("f", 1))]],
    ["arguments that nobody states", times(5, span("f", {}, { args: undefined }))],
    ["arguments without a canonical form", times(5, span("f", { big: 1n }))],
    [
      "arguments that cannot be read",
      times(5, span("f", Object.defineProperty({}, "a", { enumerable: true, get: fail }))),
    ],
    ["one call seen often", times(5, span("f", {}, { id: "c1" }))],
  ])("is none with %s", async (_, calls) => {
    expect(await found(calls)).toEqual([]);
  });

  function fail(): never {
    throw new Error("not for you");
  }

  it("starts again after something else", async () => {
    const calls = [...times(4, span("f")), span("g"), ...times(3, span("f"))];
    expect((await analyzeTrace(calls)).findings).toEqual([
      { detector: "repeated-action", streak: 3, tool: "f", first: 0, position: 2 },
      { detector: "repeated-action", streak: 3, tool: "f", first: 5, position: 7 },
    ]);
  });
});

describe("errors in a row", () => {
  const calls = (statuses: string): ToolSpan[] =>
    [...statuses].map((status, n) => {
      return span(n % 2 ? "f" : "g", n, status === "?" ? {} : { status: status === "e" ? "error" : "ok" });
    });

  it.each([
    ["eee", [[3, 2]]],
    [
      "eeeeeee",
      [
        [3, 2],
        [6, 5],
      ],
    ],
    ["eeoee", []],
    // Of which nobody knows how they ended: neither.
    ["e?e?e", [[3, 4]]],
    ["eee???", [[3, 2]]],
    [
      "eeeoeee",
      [
        [3, 2],
        [3, 6],
      ],
    ],
    ["??????", []],
  ])("%s", async (statuses, expected) => {
    expect(await found(calls(statuses))).toEqual(expected.map((at) => ["error-streak", ...at]));
  });

  it("name the tool where it is the same, and both kinds may be found at one call", async () => {
    const same = times(3, span("f", { a: 1 }, { status: "error" }));
    expect((await analyzeTrace(same)).findings).toEqual([
      { detector: "repeated-action", streak: 3, tool: "f", first: 0, position: 2 },
      { detector: "error-streak", streak: 3, tool: "f", first: 0, position: 2 },
    ]);
    expect((await analyzeTrace(calls("eee"))).findings).toEqual([
      { detector: "error-streak", streak: 3, first: 0, position: 2 },
    ]);
  });
});

describe("detectors of one's own", () => {
  const slow: TraceDetector = {
    name: "slow",
    start: () => (call) => (call.span.end - call.span.start > 1_000 ? { streak: 1, tool: call.tool } : undefined),
  };

  it("stand beside those that are there, with other thresholds, and begin every trace anew", async () => {
    const detectors = [slow, repeatedAction(2), errorStreak(1)];
    const trace = [span("f"), span("f", {}, { end: 5_000, status: "error", id: "c2" })];
    for (const _ of "12") {
      expect((await analyzeTrace(trace, { detectors })).findings).toEqual([
        { detector: "slow", streak: 1, tool: "f", first: 1, position: 1, id: "c2" },
        { detector: "repeated-action", streak: 2, tool: "f", first: 0, position: 1, id: "c2" },
        { detector: "error-streak", streak: 1, tool: "f", first: 1, position: 1, id: "c2" },
      ]);
    }
  });

  it("that throw find nothing, and the others go on", async () => {
    const onError = vi.fn();
    const broken: TraceDetector = {
      name: "broken",
      start: () => () => {
        throw new Error("cannot count");
      },
    };
    const { findings } = await analyzeTrace(times(3, span("f")), { detectors: [broken, repeatedAction()], onError });
    expect(short(findings)).toEqual([["repeated-action", 3, 2]]);
    expect(onError.mock.calls.map(([error]) => String(error))).toEqual(
      times(3, span("f")).map(() => "Error: cannot count"),
    );
  });

  it.each([
    ["source", () => watchTrace({}, { onFinding: () => undefined })],
    ["source", () => watchTrace(null as never, { onFinding: () => undefined })],
    ["options.onFinding", () => watchTrace(read([]), {} as never)],
    ["options.detectors.0", () => watchTrace(read([]), { onFinding: () => undefined, detectors: [{} as never] })],
    ["options", () => watchTrace(read([]), { onFinding: () => undefined, every: 2 } as never)],
    ["calls", () => repeatedAction(0)],
    ["calls", () => errorStreak(1.5)],
    ["options.keep", () => createPushTraceSource({ keep: -1 })],
  ])("are checked: %s", (path, act) => {
    expect(act).toThrowError(
      expect.objectContaining({
        code: "LG001",
        detail: expect.objectContaining({ path: expect.stringContaining(path) }),
      }),
    );
  });
});

it("counts at most 1,000 tools apart and keeps 10,000 findings; the rest is told in sum", async () => {
  const spans = Array.from({ length: 10_500 }, (_, n) => span(`t${n}`, n, n < 1_500 ? { status: "error" } : {}));
  const { calls, tools, findings, beyond } = await analyzeTrace(spans, {
    detectors: [errorStreak(), repeatedAction(1)],
  });
  expect(calls).toBe(10_500);
  expect(tools).toHaveLength(1_000);
  // 10,500 that repeat once, and errors at 3, 6, 12, ... 768.
  expect(findings).toHaveLength(10_000);
  expect(beyond).toEqual({ tools: { calls: 9_500, errors: 500, unknown: 9_000 }, findings: 509 });
});

it("remembers the last 100,000 ids", async () => {
  const unstated = (id: string): ToolSpan => span("f", {}, { args: undefined, id });
  const once = Array.from({ length: 100_001 }, (_, n) => unstated(`c${n}`));
  const { calls } = await analyzeTrace([...once, unstated("c1"), unstated("c100000"), unstated("c0")], {
    detectors: [],
  });
  expect(calls).toBe(100_002);
});
