/** Spends and what they charge: usage_of, ceiling_usage, unreported_usage, usage_diff, violations. */
import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";
import { computed } from "./evaluate.js";

const ledger = useLedger();
const NOTHING = { iterations: 0, input_tokens: 0, output_tokens: 0 };

const usageOf = (spend: unknown, charge = "total", budget: unknown = null): Promise<unknown> =>
  computed(
    ledger,
    "to_jsonb(l.usage_of($1::jsonb, $2, $3::jsonb))",
    JSON.stringify({ ...NOTHING, ...(spend as object) }),
    charge,
    budget === null ? null : JSON.stringify(budget),
  );

describe("usage_of a spend", () => {
  it("charges tokens in the unit of the tree", async () => {
    const spend = { input_tokens: 100, output_tokens: 20, cache_read_tokens: 60, cache_write_tokens: 30, usd: 0 };
    expect(await usageOf(spend)).toMatchObject({ charged_tokens: 120 });
    expect(await usageOf(spend, "uncached")).toMatchObject({ charged_tokens: 60, input_tokens: 100 });
  });

  it.each([
    ["a receipt", { usd: "0.5" }, null, { usd: 0.5, uncertain_usd: 0, usd_known: true, usd_unknown: 0, usd_seals: 0 }],
    ["a receipt of nothing", { usd: 0 }, { usd: 5 }, { usd: 0, uncertain_usd: 0, usd_unknown: 0, usd_seals: 0 }],
    [
      "an estimate",
      { usd: "0.5", usd_known: false },
      { usd: 5 },
      { usd: 0.5, uncertain_usd: 0.5, usd_known: false, usd_unknown: 1, usd_seals: 0 },
    ],
    [
      "an estimate of nothing",
      { usd: 0, usd_known: false },
      null,
      { usd: 0, uncertain_usd: 0, usd_unknown: 1, usd_seals: 0 },
    ],
    [
      "the unknown under a ceiling",
      { usd_known: false },
      { usd: "5" },
      { usd: 5, uncertain_usd: 5, usd_unknown: 1, usd_seals: 0 },
    ],
    [
      "the unknown under a ceiling of nothing",
      { usd_known: false },
      { usd: 0 },
      { usd: 0, uncertain_usd: 0, usd_unknown: 1, usd_seals: 0 },
    ],
    [
      "the unknown that nobody declared",
      { usd_known: false },
      { tokens: 5 },
      { usd: null, uncertain_usd: 0, usd_unknown: 1, usd_seals: 1 },
    ],
  ])("takes dollars for what they are: %s", async (_what, spend, budget, expected) => {
    expect(await usageOf(spend, "total", budget)).toMatchObject(expected);
  });

  it("counts unknown tokens and charges the known part", async () => {
    const usage = await usageOf({ usd: 0, input_tokens: 5, tokens_known: false });
    expect(usage).toMatchObject({
      charged_tokens: 5,
      uncertain_tokens: 0,
      tokens_known: false,
      tokens_unknown: 1,
      iterations_unknown: 0,
    });
  });
});

describe("the ceilings of a budget", () => {
  const ceiling = (budget: unknown) => computed(ledger, "to_jsonb(l.ceiling_usage($1::jsonb))", JSON.stringify(budget));

  it("are charged whole, as uncertain and unknown", async () => {
    expect(await ceiling({ tokens: 40, iterations: "2", usd: "0.5", gpu: 3 })).toMatchObject({
      ...{ charged_tokens: 40, uncertain_tokens: 40, tokens_unknown: 1, input_tokens: 0 },
      ...{ iterations: 2, uncertain_iterations: 2, iterations_unknown: 1 },
      ...{ usd: 0.5, uncertain_usd: 0.5, usd_unknown: 1, usd_seals: 0 },
      resources: { gpu: { amount: 3, uncertain: 3, unknown: 1 } },
    });
  });

  it("leave dollars nobody declared unknown", async () => {
    expect(await ceiling({ tokens: 1 })).toMatchObject({ usd: null, usd_unknown: 1, usd_seals: 1, resources: null });
  });

  it("are not charged to a leaf that was never dispatched", async () => {
    const unreported = (dispatched_at: string | null) =>
      computed(
        ledger,
        "to_jsonb(l.unreported_usage(jsonb_populate_record(null::l.nodes, $1)))",
        JSON.stringify({ dispatched_at, budget: { tokens: 5, usd: 1 } }),
      );
    expect(await unreported(null)).toMatchObject({
      charged_tokens: 0,
      usd: 0,
      usd_known: true,
      tokens_known: true,
      usd_unknown: 0,
    });
    expect(await unreported("2024-01-01")).toMatchObject({ charged_tokens: 5, usd: 1, usd_known: false });
  });
});

describe("violations", () => {
  const violations = async (spend: unknown, budget: unknown) =>
    computed(
      ledger,
      "l.violations(l.usage_of($1::jsonb, 'total', $2::jsonb), $2::jsonb)",
      JSON.stringify({ ...NOTHING, usd: 0, ...(spend as object) }),
      JSON.stringify(budget),
    );

  it.each([
    ["nothing declared", { input_tokens: 99, usd: 9 }, {}, []],
    ["just what was declared", { input_tokens: 5, usd: "0.5" }, { tokens: 5, usd: 0.5 }, []],
    ["declared nothing", { input_tokens: 1 }, { tokens: 0 }, [{ channel: "tokens", reserved: "0", spent: "1" }]],
    ["a resource nobody spent", {}, { gpu: 0 }, []],
    [
      "all of it, in order",
      { iterations: 2, input_tokens: 6, usd: "1.50", resources: { b: { amount: "2.0" }, a: { amount: 3 } } },
      { b: 1, a: "1.0", usd: 1, iterations: 1, tokens: 5 },
      [
        { channel: "tokens", reserved: "5", spent: "6" },
        { channel: "iterations", reserved: "1", spent: "2" },
        { channel: "usd", reserved: "1", spent: "1.5" },
        { channel: "a", reserved: "1", spent: "3" },
        { channel: "b", reserved: "1", spent: "2" },
      ],
    ],
  ])("are of ceilings that were declared: %s", async (_what, spend, budget, expected) => {
    expect(await violations(spend, budget)).toEqual(expected);
  });
});

describe("the difference to the truth", () => {
  it("is what was booked, undone, and the truth, with its flags", async () => {
    const diff = await computed(
      ledger,
      "to_jsonb(l.usage_diff(l.usage_of($1::jsonb, 'total'), l.ceiling_usage($2::jsonb)))",
      JSON.stringify({
        ...NOTHING,
        input_tokens: 3,
        usd: "0.25",
        resources: { gpu: { amount: 1 }, pages: { amount: 2 } },
      }),
      JSON.stringify({ tokens: 10, iterations: 1, usd: "1", gpu: 4 }),
    );
    expect(diff).toMatchObject({
      ...{ input_tokens: 3, charged_tokens: -7, uncertain_tokens: -10, tokens_unknown: -1, tokens_known: true },
      ...{ iterations: -1, uncertain_iterations: -1, iterations_unknown: -1 },
      ...{ usd: -0.75, uncertain_usd: -1, usd_unknown: -1, usd_seals: 0, usd_known: true },
      resources: { gpu: { amount: -3, uncertain: -4, unknown: -1 }, pages: { amount: 2 } },
    });
  });
});
