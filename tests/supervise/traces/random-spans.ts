/** Random traces, and what is to be found in them, worked out in another way: by looking back from every call. */
import fc from "fast-check";
import type { TraceFinding } from "../../../src/supervise/traces/report.js";
import type { ToolSpan } from "../../../src/supervise/traces/span.js";

/** Few tools and arguments, so that they repeat; the same arguments in another order of keys; some that have no canonical form. */
const ARGUMENTS: readonly (() => unknown)[] = [
  () => ({ a: 1, b: [{ c: 2, d: null }] }),
  () => ({ b: [{ d: null, c: 2 }], a: 1.0 }),
  () => "ls -la",
  () => undefined,
  () => ({ a: 10n }),
];
/** Which of them are equal; those that equal nothing have no key. */
const KEYS = ["object", "object", "text", undefined, undefined];

/** A span, and what the reckoning below goes by. */
export interface RandomSpan {
  readonly span: ToolSpan;
  readonly key: string | undefined;
}

/** Names and ids that the ledger does not take as they are. */
const TOOLS = ["bash", "read", "a\u0000b\u2028\ud800", `${"long".repeat(60)}x`];

const call = fc.record({
  tool: fc.integer({ min: 0, max: TOOLS.length - 1 }),
  args: fc.integer({ min: 0, max: ARGUMENTS.length - 1 }),
  status: fc.constantFrom("ok" as const, "error" as const, undefined),
  /** How often the like comes one after another. */
  times: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 13 }) }),
  id: fc.constantFrom("own", "none", "again"),
});

/** A trace of at most so many calls. Some ids come again, with the status that they had. */
export function randomSpans(most: number): fc.Arbitrary<RandomSpan[]> {
  return fc.array(call, { maxLength: most }).map((calls) => {
    const spans: RandomSpan[] = [];
    for (const { tool, args, status, times, id } of calls) {
      for (let n = 0; n < times && spans.length < most; n += 1) {
        const place = spans.length;
        const name = TOOLS[tool] ?? "";
        const key = KEYS[args] && `${tool} ${KEYS[args]}`;
        const before = id === "again" && n === 0 ? spans.find(({ span }) => span.id !== undefined) : undefined;
        const own = id === "none" ? {} : { id: `call \u0007 ${place}` };
        const span = { name, args: ARGUMENTS[args]?.(), start: place, end: place, ...own };
        const seen = before && { id: before.span.id, ...(before.span.status && { status: before.span.status }) };
        spans.push({ span: { ...span, ...(status && !before && { status }), ...seen }, key });
      }
    }
    return spans;
  });
}

/** One finding per call and detector at most: how far a streak goes back from there, where that is 3, 6, 12, ... */
export function expectedFindings(
  spans: readonly RandomSpan[],
): Pick<TraceFinding, "detector" | "streak" | "first" | "position">[] {
  const calls = spans.filter(({ span }, n) => {
    return span.id === undefined || spans.findIndex((other) => other.span.id === span.id) === n;
  });
  return calls.flatMap(({ key, span }, position) => {
    let first = position;
    while (key !== undefined && calls[first - 1]?.key === key) first -= 1;
    const repeated = key === undefined ? 0 : position - first + 1;

    const lastOk = calls.slice(0, position).findLastIndex((before) => before.span.status === "ok");
    const errors = [...calls.keys()].filter((n) => n > lastOk && n <= position && calls[n]?.span.status === "error");
    const failed = span.status === "error" ? errors.length : 0;
    return [
      { detector: "repeated-action", streak: repeated, first, position },
      { detector: "error-streak", streak: failed, first: errors[0] ?? position, position },
    ].filter(({ streak }) => [3, 6, 12, 24, 48, 96, 192].includes(streak));
  });
}
