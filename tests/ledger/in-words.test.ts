/** What is wrong with a value is said in words: which field, what it must be, which names there are. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { LedgerError } from "../../src/ledger/errors.js";
import * as schemas from "../../src/ledger/schemas.js";

const told = (schema: z.ZodType, value: unknown): string => {
  try {
    schemas.parse(schema, value, "options");
  } catch (error) {
    const { code, message, detail } = error as LedgerError;
    const { path, rule } = detail as { path: string; rule: string };
    expect([code, message]).toEqual(["LG001", `${path}: ${rule}`]);
    return message;
  }
  return "accepted";
};

describe("a budget", () => {
  it.each([
    ["maxTokens", "tokens"],
    ["max_tokens", "tokens"],
    ["maxtokens", "tokens"],
    ["input_tokens", "tokens"],
    ["outputTokens", "tokens"],
    ["cache_write_1h_tokens", "tokens"],
    ["Token", "tokens"],
    ["maxIterations", "iterations"],
    ["iteration", "iterations"],
    ["maxUsd", "usd"],
    ["USD", "usd"],
    ["dollars", "usd"],
    ["cost", "usd"],
    ["costUsd", "usd"],
  ])("on %s is refused: it is spelt %s", (name, channel) => {
    const rule = `is no channel: write ${channel} (channels are tokens, iterations and usd)`;
    expect(told(schemas.budget, { [name]: 1 })).toBe(`options.${name}: ${rule}`);
    expect(told(schemas.amounts, { tokens: 1, [name]: -1 })).toBe(`options.${name}: ${rule}`);
  });

  it("on a resource of one's own is accepted", () => {
    for (const name of ["gpu_seconds", "tokens_of_access", "usda_reports", "steps", "maximum", "tokens", "usd"]) {
      expect(told(schemas.budget, { [name]: 1 })).toBe("accepted");
    }
  });

  it("names what an amount must be", () => {
    for (const amount of ["1 dollar", true, null]) {
      expect(told(schemas.budget, { usd: amount })).toBe("options.usd: must be a number or a decimal text");
    }
    expect(told(schemas.budget, { usd: -1 })).toBe("options.usd: must not be negative");
    expect(told(schemas.budget, { "": 1 })).toBe("options.: must have at least 1 characters");
  });
});

describe("an object", () => {
  const schema = z.strictObject({
    name: schemas.id,
    turns: z.number().int().nonnegative().max(9).optional(),
    list: z.array(z.string()).min(1).optional(),
    mode: z.enum(["seal", "flag"]).optional(),
    either: z.union([z.string(), z.number().int().nonnegative()]).optional(),
    within: z.strictObject({ most: z.number(), withinMs: z.number() }).optional(),
    event: schemas.usageEvent.optional(),
    on: z.boolean().optional(),
  });
  const keys = "name, turns?, list?, mode?, either?, within?, event?, on?";

  it.each<[unknown, string]>([
    [{ name: "n", turn: 1 }, `options: has the unknown key "turn": there can be ${keys}`],
    [{ name: "n", x: 1, y: 1 }, `options: has the unknown key "x", "y": there can be ${keys}`],
    [undefined, `options: is required: it must be an object with ${keys}`],
    [[], `options: must be an object with ${keys}, not a list`],
    [{}, "options.name: is required: it must be a text"],
    [{ name: 5 }, "options.name: must be a text, not 5"],
    [{ name: "" }, "options.name: must have at least 1 characters"],
    [{ name: "n".repeat(201) }, "options.name: must have at most 200 characters"],
    [{ name: "n", turns: -1 }, "options.turns: must be at least 0"],
    [{ name: "n", turns: 10 }, "options.turns: must be at most 9"],
    [{ name: "n", turns: 1.5 }, "options.turns: must be a whole number, not 1.5"],
    [{ name: "n", turns: Number.NaN }, "options.turns: must be a finite number, not NaN"],
    [{ name: "n", turns: "secret" }, "options.turns: must be a finite number, not a text"],
    [{ name: "n", list: [] }, "options.list: must have at least 1 entries"],
    [{ name: "n", list: ["a", null] }, "options.list.1: must be a text, not null"],
    [{ name: "n", mode: "off" }, "options.mode: must be one of seal, flag"],
    [{ name: "n", either: true }, "options.either: must be a text or a finite number, not true"],
    [{ name: "n", either: -1 }, "options.either: must be at least 0"],
    [{ name: "n", on: 1 }, "options.on: must be true or false, not 1"],
    [
      { name: "n", within: { most: 1, within: 5 } },
      'options.within.withinMs: is required: it must be a finite number; the object has the unknown key "within": there can be most, withinMs',
    ],
    [
      { name: "n", event: { type: "usage" } },
      "options.event.type: must be one of tokens, cost, iteration, resource, progress",
    ],
  ])("is refused in words (%#)", (value, message) => {
    expect(told(schema, value)).toBe(message);
  });

  it("is said to lack what has no type", () => {
    expect(told(z.strictObject({ out: z.unknown() }), {})).toBe("options.out: is required");
  });
});

it("is an error of the ledger, whatever the value", () => {
  expect(() => schemas.parse(schemas.id, Symbol("s"), "id")).toThrow(LedgerError);
});
