/** A pushed trace: the program that pushes goes on, whatever it pushes and whoever listens. */
import { describe, expect, it, vi } from "vitest";
import { createPushTraceSource } from "../../../src/supervise/traces/push-source.js";
import type { ToolSpan } from "../../../src/supervise/traces/span.js";
import { analyzeTrace, watchTrace } from "../../../src/supervise/traces/watch.js";

const span = (name: string, more: Partial<ToolSpan> = {}): ToolSpan => ({ name, args: {}, start: 1, end: 2, ...more });

/** Names of what a subscriber hears, and `end`. */
function listener(): { heard: string[]; onSpan: (span: ToolSpan) => void; onEnd: () => void } {
  const heard: string[] = [];
  return { heard, onSpan: ({ name }) => void heard.push(name), onEnd: () => void heard.push("end") };
}

describe("a pushed trace", () => {
  it("tells every subscriber each span before push returns, and the end once", () => {
    const trace = createPushTraceSource();
    const [first, second] = [listener(), listener()];
    trace.subscribe(first.onSpan, first.onEnd);
    trace.push(span("a"));
    expect(first.heard).toEqual(["a"]);
    const leave = trace.source.subscribe?.(second.onSpan, second.onEnd);
    trace.push(span("b"));
    leave?.();
    trace.push(span("c"));
    trace.end();
    trace.end();
    expect(first.heard).toEqual(["a", "b", "c", "end"]);
    expect(second.heard).toEqual(["a", "b"]);
    const late = listener();
    trace.subscribe(late.onSpan, late.onEnd);
    expect(late.heard).toEqual(["a", "b", "c", "end"]);
  });

  it("has one span per id, the first", () => {
    const trace = createPushTraceSource();
    const { heard, onSpan } = listener();
    trace.subscribe(onSpan);
    for (const [name, id] of [
      ["a", "1"],
      ["b", "1"],
      ["c", "2"],
    ] as const)
      trace.push(span(name, { id }));
    for (const name of ["d", "d"]) trace.push(span(name));
    trace.push(span("e", { id: "" }));
    trace.push(span("e", { id: "" }));
    expect(heard).toEqual(["a", "c", "d", "d", "e", "e"]);
  });

  it("is not disturbed by who listens", async () => {
    const onError = vi.fn(() => {
      throw new Error("the hearer of errors too");
    });
    const trace = createPushTraceSource({ onError });
    const { heard, onSpan } = listener();
    const thenable = Object.defineProperty({}, ["th", "en"].join(""), {
      get: () => {
        throw new Error("no promise");
      },
    });
    trace.subscribe(
      () => {
        throw new Error("thrown");
      },
      () => {
        throw new Error("thrown at the end");
      },
    );
    trace.subscribe(() => Promise.reject(new Error("rejected")));
    trace.subscribe(() => thenable);
    trace.subscribe(onSpan);
    trace.push(span("a"));
    trace.push(span("b"));
    trace.end();
    expect(heard).toEqual(["a", "b"]);
    await vi.waitFor(() => expect(onError).toHaveBeenCalledTimes(7));
    const counted = onError.mock.calls.map(([error]: unknown[]) => String(error)).sort();
    expect(counted).toEqual(
      ["no promise", "no promise", "rejected", "rejected", "thrown", "thrown", "thrown at the end"].map(
        (text) => `Error: ${text}`,
      ),
    );
  });

  it("keeps the order where a subscriber pushes, or joins, in between", () => {
    const trace = createPushTraceSource();
    const [before, joined, after] = [listener(), listener(), listener()];
    trace.subscribe(before.onSpan, before.onEnd);
    trace.subscribe(({ name }) => {
      if (name !== "a") return;
      trace.push(span("b"));
      trace.subscribe(joined.onSpan, joined.onEnd);
      trace.end();
    });
    trace.subscribe(after.onSpan, after.onEnd);
    trace.push(span("a"));
    for (const { heard } of [before, joined, after]) expect(heard).toEqual(["a", "b", "end"]);
  });

  it("goes on where what is pushed is no span, or comes after the end", () => {
    const onError = vi.fn();
    const trace = createPushTraceSource({ onError });
    const spans: ToolSpan[] = [];
    trace.subscribe((one) => spans.push(one));
    const throwing = {
      get name(): string {
        throw new Error("not for you");
      },
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const none: unknown[] = [null, undefined, 7, "f", {}, { name: "" }, { name: 5 }, throwing, proxy];
    for (const one of none) trace.push(one as ToolSpan);
    expect(onError).toHaveBeenCalledTimes(none.length);
    // A name is enough; what else is not as it should be is not there.
    trace.push({ name: "f", args: 1, status: "failed", start: Number.NaN, end: "2", id: 7 } as never);
    expect(spans).toEqual([{ name: "f", args: 1, start: expect.any(Number), end: spans[0]?.start }]);
    trace.end();
    trace.push(span("late"));
    expect(spans).toHaveLength(1);
    expect(String(onError.mock.lastCall)).toBe("Error: a span was pushed after the end of its trace");
  });

  it("keeps the last spans for those who come later, and says how many they miss", async () => {
    const trace = createPushTraceSource({ keep: 100 });
    for (let n = 0; n < 1_000; n += 1) trace.push(span("f", { args: n }));
    const watch = watchTrace(trace, { onFinding: () => undefined });
    for (let n = 0; n < 10; n += 1) trace.push(span("g"));
    trace.end();
    const { calls, missed, tools } = await watch.done;
    expect(missed).toBeGreaterThanOrEqual(875);
    expect(missed).toBeLessThanOrEqual(900);
    expect({ calls, tools }).toEqual({
      calls: 1_010 - missed,
      tools: [
        { tool: "f", calls: 1_000 - missed, errors: 0, unknown: 1_000 - missed },
        { tool: "g", calls: 10, errors: 0, unknown: 10 },
      ],
    });
    const forgetful = createPushTraceSource({ keep: 0 });
    for (const name of "abc") forgetful.push(span(name));
    forgetful.end();
    expect(await analyzeTrace(forgetful)).toMatchObject({ calls: 0, missed: 3 });
  });
});

describe("a watch", () => {
  it("does not hand on what its listener does wrong", async () => {
    const onError = vi.fn();
    const trace = createPushTraceSource();
    const onFinding = vi.fn(({ detector }: { detector: string }) => {
      if (detector === "error-streak") return Promise.reject(new Error("rejected"));
      throw new Error("thrown");
    });
    const watch = watchTrace(trace, { onFinding, onError });
    for (const _ of "123") trace.push(span("f", { status: "error" }));
    trace.end();
    expect((await watch.done).findings).toHaveLength(2);
    expect(onFinding).toHaveBeenCalledTimes(2);
    await vi.waitFor(() => expect(onError.mock.calls.map(String)).toEqual(["Error: thrown", "Error: rejected"]));
  });

  it("warns where nobody is there to hear of it", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const trace = createPushTraceSource();
    trace.push(null as never);
    expect(warned.mock.calls).toEqual([
      [expect.stringContaining("that is no tool span: it has no name, or cannot be read"), "TraceWarning"],
    ]);
    warned.mockRestore();
  });

  it("says so far what it saw, and stops when it is told to", async () => {
    const trace = createPushTraceSource();
    const watch = watchTrace(trace, { onFinding: () => undefined });
    trace.push(span("f", { status: "ok" }));
    expect(watch.report()).toMatchObject({ calls: 1, tools: [{ tool: "f", calls: 1, errors: 0, unknown: 0 }] });
    watch.stop();
    trace.push(span("f"));
    watch.stop();
    expect(await watch.done).toEqual(watch.report());
    expect(watch.report()).toMatchObject({ calls: 1 });
  });

  it("stops reading what never comes to an end", async () => {
    const ended = vi.fn();
    async function* endless(): AsyncGenerator<ToolSpan> {
      try {
        for (;;) {
          yield span("f");
          if (told.mock.calls.length === 2) watch.stop();
        }
      } finally {
        ended();
      }
    }
    const told = vi.fn();
    const watch = watchTrace({ [Symbol.asyncIterator]: endless }, { onFinding: told });
    expect(await watch.done).toMatchObject({ calls: 6 });
    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce());
    // Waits for ever: stopping does not.
    const silent = watchTrace(
      { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) },
      { onFinding: told },
    );
    silent.stop();
    expect(await silent.done).toMatchObject({ calls: 0 });
  });

  it("ends with what reading threw, and nobody has to look", async () => {
    const broken = (): AsyncIterator<ToolSpan> => ({ next: () => Promise.reject(new Error("gone")) });
    watchTrace({ [Symbol.asyncIterator]: broken }, { onFinding: () => undefined });
    const watch = watchTrace({ [Symbol.asyncIterator]: broken }, { onFinding: () => undefined });
    await expect(watch.done).rejects.toThrowError("gone");
  });

  it("of Codex finds nothing out", async () => {
    const trace = createPushTraceSource({ harness: "codex" });
    const watch = watchTrace(trace, { onFinding: () => undefined });
    trace.end();
    expect(await watch.done).toMatchObject({ calls: "unavailable", tools: "unavailable", findings: "unavailable" });
  });
});
