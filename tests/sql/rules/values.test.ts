/** Small rules of values: amount, text_of, channel_order, tags_of, digest_of, lock_key, resources_sum. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";
import { computed } from "./evaluate.js";

const ledger = useLedger();
const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

describe("amount", () => {
  it.each([
    ["5", "5"],
    ["0.10", "0.10"],
    ["1e3", "1000"],
    ['"12.50"', "12.50"],
    ['"-3"', "-3"],
    ['"007"', "7"],
    ['"1e3"', null],
    ['".5"', null],
    ['"5."', null],
    ['" 5"', null],
    ['"+5"', null],
    ['"NaN"', null],
    ['"Infinity"', null],
    ['""', null],
    ["true", null],
    ["null", null],
    ["[5]", null],
  ])("of %s is %s", async (value, expected) => {
    expect(await computed(ledger, "l.amount($1::jsonb)", value)).toBe(expected);
  });
});

describe("text_of", () => {
  it.each([
    ["1.500000000000", "1.5"],
    ["100", "100"],
    ["0.000000000000", "0"],
    ["-0.10", "-0.1"],
    ["12345678901234567890.000000000001", "12345678901234567890.000000000001"],
    [null, null],
  ])("shortens %s to %s", async (amount, expected) => {
    expect(await computed(ledger, "l.text_of($1::numeric)", amount)).toBe(expected);
  });
});

describe("channel_order", () => {
  it("is tokens, iterations, usd, then resources by their bytes", async () => {
    const names = ["éclair", "zinc", "usd", "b", "B", "a", "iterations", "tokens"];
    const sorted = await computed(
      ledger,
      "array(select n from unnest($1::text[]) n order by l.channel_order(n))",
      names,
    );
    expect(sorted).toEqual(["tokens", "iterations", "usd", "B", "a", "b", "zinc", "éclair"]);
  });
});

describe("tags_of", () => {
  it.each([
    [undefined, undefined, null],
    [{}, undefined, null],
    [undefined, {}, null],
    [{ a: "1" }, undefined, { a: "1" }],
    [undefined, { b: "2" }, { b: "2" }],
    [{ a: "1", b: "1" }, { b: "2" }, { a: "1", b: "2" }],
  ])("%j and own %j are %j", async (inherited, own, expected) => {
    expect(await computed(ledger, "l.tags_of($1::jsonb, $2::jsonb)", json(inherited), json(own))).toEqual(expected);
  });
});

describe("digest_of", () => {
  const digest = (operation: string) => computed(ledger, "encode(l.digest_of($1::jsonb), 'hex')", operation);

  it("is of the operation's jsonb text without its id", async () => {
    const text = '{"a": 1, "op": "meter"}';
    expect(await digest(`{"op": "meter", "operation_id": "x", "a": 1}`)).toBe(
      createHash("sha256").update(text).digest("hex"),
    );
  });

  it("is the same for other ids, another for other content", async () => {
    expect(await digest('{"operation_id": "x", "a": 1}')).toBe(await digest('{"a": 1, "operation_id": "y"}'));
    expect(await digest('{"a": 1}')).not.toBe(await digest('{"a": 1.0}'));
    expect(await digest('{"a": 1}')).not.toBe(await digest('{"a": "1"}'));
  });
});

describe("lock_key", () => {
  it("differs for every tenant and pool, however their names run together", async () => {
    const pairs = [
      ["a", "b/c"],
      ["a/b", "c"],
      ["a/1", "b"],
      ["a", "1/b"],
      ["1", "a/b"],
      ["", "a/b/c"],
      ["b", "a"],
    ];
    const keys = await Promise.all(pairs.map(([tenant, pool]) => computed(ledger, "l.lock_key($1, $2)", tenant, pool)));
    expect(new Set(keys).size).toBe(pairs.length);
  });
});

describe("resources_sum", () => {
  it.each([
    [undefined, undefined, 1, null],
    [{ a: { amount: 1 } }, undefined, 1, { a: { amount: 1 } }],
    [
      { a: { amount: "1.5" } },
      { a: { amount: 2, uncertain: 2, unknown: 1 }, b: { amount: 1 } },
      1,
      { a: { amount: 3.5, uncertain: 2, unknown: 1 }, b: { amount: 1 } },
    ],
    [
      { a: { amount: 1 } },
      { a: { amount: 3, uncertain: 3, unknown: 1 } },
      -1,
      { a: { amount: -2, uncertain: -3, unknown: -1 } },
    ],
    [undefined, { b: { amount: 2 } }, -1, { b: { amount: -2 } }],
  ])("%j and %j, %i times, is %j", async (one, other, sign, expected) => {
    expect(await computed(ledger, "l.resources_sum($1::jsonb, $2::jsonb, $3)", json(one), json(other), sign)).toEqual(
      expected,
    );
  });
});
