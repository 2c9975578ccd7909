/** One amount has one form, whatever it was written as; nothing that is no amount is made one. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalCount, canonicalDecimal, sum, wholeNumber } from "../../src/ledger/amounts.js";
import { canonicalOperation } from "../../src/ledger/canonical.js";
import { operationSpend, spendFrom } from "../../src/ledger/spend.js";

describe("an amount", () => {
  it.each([
    ["0.50", "0.5"],
    [0.5, "0.5"],
    [".5", "0.5"],
    ["1e-3", "0.001"],
    ["5E2", "500"],
    [1e21, "1000000000000000000000"],
    [0.1 + 0.2, "0.3"],
    [1e-13, "0"],
    [-0, "0"],
    ["-0.00", "0"],
    ["+7", "7"],
    [12n, "12"],
    // Half-even at the twelfth decimal, for numbers.
    [0.0000000000005, "0"],
    [0.0000000000015, "0.000000000002"],
    [0.0000000000025, "0.000000000002"],
    // A text is exact: what is too fine for the ledger stays so, and the ledger says no.
    ["0.1234567890123", "0.1234567890123"],
    ["0.02", "0.02"],
  ])("%s is sent as %s", (given, sent) => {
    expect(canonicalDecimal(given)).toBe(sent);
  });

  it.each(["", "abc", "1,5", "0x10", "NaN", "Infinity", null, undefined, true, {}])("%s stays what it is", (given) => {
    expect(canonicalDecimal(given)).toBe(given);
  });

  it("that is not finite becomes a text the ledger refuses", () => {
    expect([Number.NaN, Number.POSITIVE_INFINITY].map(canonicalDecimal)).toEqual(["NaN", "Infinity"]);
  });

  it("has the same form whatever its spelling, and that form is its own", () => {
    fc.assert(
      fc.property(
        fc.bigInt(-(10n ** 20n), 10n ** 20n),
        fc.nat({ max: 12 }),
        fc.nat({ max: 5 }),
        (units, decimals, zeros) => {
          const digits = units < 0n ? -units : units;
          const text = digits.toString().padStart(decimals + 1, "0");
          const plain = decimals === 0 ? text : `${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
          const signed = units < 0n ? `-${plain}` : plain;
          const padded = `${signed}${decimals === 0 ? "" : "0".repeat(zeros)}`;
          const form = canonicalDecimal(signed);
          expect(canonicalDecimal(padded)).toBe(form);
          expect(canonicalDecimal(`${units}e-${decimals}`)).toBe(form);
          expect(canonicalDecimal(form)).toBe(form);
        },
      ),
    );
  });

  it("adds up exactly", () => {
    expect(sum(Array.from({ length: 10 }, () => 0.1))).toBe("1");
    expect(sum(["9007199254740993", 1n, "0.000000000001"])).toBe("9007199254740994.000000000001");
  });
});

describe("a count", () => {
  it.each([
    [7, 7],
    ["7", 7],
    ["7.0", 7],
    [7n, 7],
    ["9007199254740993", "9007199254740993"],
    [1.5, "1.5"],
  ])("%s is sent as %s", (given, sent) => {
    expect(canonicalCount(given)).toBe(sent);
  });

  it("beyond 2^53 - 1 stays text", () => {
    expect([wholeNumber("9007199254740991"), wholeNumber("9007199254740992")]).toEqual([
      9007199254740991,
      "9007199254740992",
    ]);
  });
});

describe("an operation", () => {
  it("is sent in one form", () => {
    const written = (usd: unknown, tokens: unknown): unknown =>
      canonicalOperation({
        op: "settle",
        operation_id: "o",
        node_id: "n",
        spend: { iterations: tokens, input_tokens: tokens, usd, resources: { gpu_seconds: { amount: usd } } },
        lines: [{ model: "m", usd }],
        budget: { tokens, usd, gpu_seconds: usd },
        amounts: { usd },
        channels: { usd: { total: usd, unit: "usd" }, tokens: { total: tokens } },
        effective_at: "2026-01-01T00:00:00.000Z",
      });
    expect(written("0.50", "12.0")).toEqual(written(0.5, 12));
    expect(written(0.5, 12)).toMatchObject({
      spend: { iterations: 12, usd: "0.5", resources: { gpu_seconds: { amount: "0.5" } } },
      channels: { usd: { total: "0.5", unit: "usd" }, tokens: { total: 12 } },
    });
  });

  it("says unknown for undefined dollars, and leaves what is malformed to the ledger", () => {
    const spend = (usd: object): unknown => canonicalOperation({ op: "meter", operation_id: "o", spend: usd }).spend;
    expect(spend({ usd: undefined })).toEqual({ usd: undefined, usd_known: false });
    expect(spend({})).toEqual({});
    expect(canonicalOperation({ op: "meter", operation_id: "o", spend: 7, lines: "x", channels: [] })).toEqual({
      op: "meter",
      operation_id: "o",
      spend: 7,
      lines: "x",
      channels: [],
    });
  });
});

describe("a spend", () => {
  it("keeps what is known and says what is not", () => {
    expect(operationSpend({ iterations: 1, input_tokens: 10, output_tokens: 5, usd: 0 })).toEqual({
      iterations: 1,
      input_tokens: 10,
      output_tokens: 5,
      usd: 0,
    });
    expect(operationSpend({ input_tokens: 10, usd: undefined }, { iterations: 0 })).toEqual({
      iterations: 0,
      input_tokens: 10,
      output_tokens: 0,
      tokens_known: false,
      usd_known: false,
    });
    expect(
      operationSpend({ iterations: 1, input_tokens: 1, output_tokens: 1, usd: "0.2", usd_known: false }),
    ).toMatchObject({
      usd: "0.2",
      usd_known: false,
    });
  });

  it.each([
    [{ input_tokens: -1 }, "spend.input_tokens"],
    [{ usd: "a lot" }, "spend.usd"],
    [{ tokens: 5 } as object, "spend"],
    [{ resources: { gpu: { amount: "x" } } }, "spend.resources.gpu.amount"],
    [{ input_tokens: 1 }, "spend.iterations"],
  ])("%j is refused at %s", (spend, path) => {
    expect(() => operationSpend(spend)).toThrow(
      expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path }) }),
    );
  });

  it("is folded from events: what nobody reported is unknown", () => {
    expect(spendFrom([])).toEqual({ iterations: 0, tokens_known: false, usd_known: false });
    expect(
      spendFrom([
        { type: "tokens", input: 100, output: 20, cacheRead: 60 },
        { type: "iteration" },
        { type: "progress" },
        { type: "tokens", input: 50, output: 5, reasoning: 5 },
        { type: "cost", usd: 0.1 },
        { type: "cost", usd: "0.2" },
        { type: "iteration" },
        { type: "resource", name: "gpu_seconds", amount: 1.5 },
        { type: "resource", name: "gpu_seconds", amount: "1.25" },
      ]),
    ).toEqual({
      iterations: 2,
      input_tokens: 150,
      output_tokens: 25,
      cache_read_tokens: 60,
      reasoning_tokens: 5,
      usd: "0.3",
      resources: { gpu_seconds: { amount: "2.75" } },
    });
    expect(spendFrom([{ type: "cost", usd: 0 }])).toEqual({ iterations: 0, tokens_known: false, usd: "0" });
    expect(
      spendFrom([
        { type: "tokens", input: 10, output: undefined },
        { type: "tokens", input: 5, output: 2 },
      ]),
    ).toMatchObject({ input_tokens: 15, output_tokens: 2, tokens_known: false });
    expect(() => spendFrom([{ type: "tokens", input: Number.NaN, output: 1 }])).toThrow(
      expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path: "events.0.input" }) }),
    );
    expect(
      spendFrom([
        { type: "cost", usd: 1 },
        { type: "cost", usd: 2, usdKnown: false },
      ]),
    ).toMatchObject({
      usd: "3",
      usd_known: false,
    });
    expect(spendFrom([{ type: "cost", usd: 1 }, { type: "cost" }])).toMatchObject({ usd: "1", usd_known: false });
  });
});
