/** What holds of whatever a provider may send. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { operationSpend } from "../../src/ledger/spend.js";
import { readStream, reportOf, usageOf } from "../../src/usage/report.js";
import { type CallReport, USAGE_FORMATS, type UsageFormat } from "../../src/usage/usage.js";
import { type RandomCall, randomCall, TELLERS } from "./calls.js";
import { GOLDEN, readChunks } from "./golden.js";

const RUNS = 40;

/** What a count may look like on the wire. */
const said = fc.oneof(
  { weight: 8, arbitrary: fc.nat(50) },
  { weight: 1, arbitrary: fc.constantFrom(0, Number.MAX_SAFE_INTEGER, -1, 0.5, "7", null, 1e300, true) },
);

/** Usage of a format with fields left out and nonsense in them: those of an answer that was worked by hand, filled anew. */
function spoilt(format: UsageFormat): fc.Arbitrary<unknown> {
  const bodies = GOLDEN.filter((golden) => golden.format === format && golden.body).map(({ body }) => body as object);
  const usages = bodies.map((body) => ("usageMetadata" in body ? body.usageMetadata : Reflect.get(body, "usage")));
  return fc.constantFrom(...usages).chain(filled);
}

function filled(shape: unknown): fc.Arbitrary<unknown> {
  if (typeof shape === "number") return said;
  if (Array.isArray(shape)) return fc.tuple(...shape.map(filled));
  if (typeof shape !== "object" || shape === null) return fc.constant(shape);
  const fields = Object.fromEntries(Object.entries(shape).map(([name, value]) => [name, filled(value)]));
  return fc.record(fields, { requiredKeys: [] });
}

function expectSound(spend: CallReport["spend"]): void {
  const {
    input_tokens: input,
    output_tokens: output,
    cache_read_tokens: read = 0,
    cache_write_tokens: written = 0,
  } = spend;
  expect(Number(read) + Number(written)).toBeLessThanOrEqual(Number(input ?? 0));
  expect(Number(spend.cache_write_1h_tokens ?? 0)).toBeLessThanOrEqual(Number(written));
  expect(Number(spend.reasoning_tokens ?? 0)).toBeLessThanOrEqual(Number(output ?? 0));
  // As the client of the ledger takes it.
  operationSpend(spend, { iterations: 0 });
}

/** The spend of a call as it was. Gemini and Bedrock do not tell all of it. */
function truth(format: UsageFormat, { fresh, read, written, said: spoken, thought }: RandomCall): CallReport["spend"] {
  return {
    input_tokens: fresh + read + written,
    output_tokens: spoken + thought,
    cache_read_tokens: read,
    ...(format !== "gemini" && { cache_write_tokens: written }),
    ...(format === "anthropic" && { cache_write_1h_tokens: 0 }),
    ...(format !== "bedrock" && (format !== "gemini" || thought > 0) && { reasoning_tokens: thought }),
    ...(format === "openrouter" && { usd: 0.25 }),
  };
}

/** That `next` takes back nothing of what `known` says. */
function expectNoLess(next: CallReport, known: CallReport): void {
  const { tokens_known: _, ...counts } = known.spend;
  for (const [channel, amount] of Object.entries(counts)) {
    expect(Number(Reflect.get(next.spend, channel))).toBeGreaterThanOrEqual(Number(amount));
  }
  expect({ ...next, ...known, spend: 0, tools: 0, complete: 0 }).toEqual({ ...next, spend: 0, tools: 0, complete: 0 });
  expect(next.tools.slice(0, known.tools.length)).toMatchObject(known.tools);
  if (known.complete) expect(next.complete).toBe(true);
}

describe.each(USAGE_FORMATS)("%s", (format) => {
  it("counts each token once, in an answer and in its stream", () => {
    fc.assert(
      fc.property(randomCall, (call) => {
        const { body, chunks } = TELLERS[format](call);
        const whole = reportOf(format, body);
        expect(whole.spend).toEqual(truth(format, call));
        expect(whole.complete).toBe(true);
        expect(whole.tools).toEqual(call.tools.map(({ name, id, args }) => ({ name, id, arguments: args })));
        expect(readChunks(format, chunks).at(-1)).toEqual(whole);
      }),
      { numRuns: RUNS },
    );
  });

  it("says after each event what was received, and never takes it back", () => {
    fc.assert(
      fc.property(randomCall, (call) => {
        const { chunks, end } = TELLERS[format](call);
        const reports = readChunks(format, chunks);
        const final = reports.length - 1;
        reports.forEach((report, after) => {
          const next = reports[after + 1];
          if (next) expectNoLess(next, report);
          // The event at a place is known of in the report after it.
          expect(report.complete).toBe(after > end);
          const { input_tokens, output_tokens, tokens_known } = report.spend;
          const isKnown = input_tokens !== undefined && output_tokens !== undefined && tokens_known !== false;
          // Anthropic's last event has nothing more to say of usage.
          expect(isKnown).toBe(after === final || (format === "anthropic" && after === final - 1));
          if (after < final) expect(report.spend.usd).toBeUndefined();
        });
      }),
      { numRuns: RUNS },
    );
  });

  it("keeps parts within their wholes, whatever is said", () => {
    fc.assert(
      fc.property(spoilt(format), (usage) => expectSound(usageOf(format, usage))),
      { numRuns: 5 * RUNS },
    );
  });

  it("takes anything for an answer, for usage and for an event", () => {
    const docs = GOLDEN.filter((golden) => golden.format === format).flatMap(({ body, chunks = [body] }) => chunks);
    const anything = fc.oneof(fc.anything(), fc.jsonValue(), fc.constantFrom(...docs).chain(broken));
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 5 }), (values) => {
        const reading = readStream(format);
        for (const value of values) {
          expectSound(usageOf(format, value));
          expectSound(reportOf(format, value).spend);
          reading.add(value);
          expectSound(reading.report().spend);
        }
      }),
      { numRuns: RUNS },
    );
  });
});

/** A value with something else in the place of some of its parts. */
function broken(value: unknown): fc.Arbitrary<unknown> {
  const anew = { weight: 1, arbitrary: fc.anything({ maxDepth: 1 }) };
  const kept = Array.isArray(value)
    ? fc.tuple(...value.map(broken))
    : typeof value === "object" && value !== null
      ? fc.record(Object.fromEntries(Object.entries(value).map(([name, part]) => [name, broken(part)])))
      : fc.constant(value);
  return fc.oneof(anew, { weight: 15, arbitrary: kept });
}

describe("recorded streams", () => {
  it.each(GOLDEN.flatMap((golden) => (golden.chunks ? [[golden.name, golden.format, golden.chunks] as const] : [])))(
    "%s: never takes back what it said",
    (_, format, chunks) => {
      const reports = readChunks(format, chunks);
      for (const [after, known] of reports.entries()) expectNoLess(reports[after + 1] ?? known, known);
    },
  );
});
