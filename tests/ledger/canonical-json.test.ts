/** RFC 8785: its own example, and what has no one form. */
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/ledger/canonical-json.js";

describe("canonical JSON", () => {
  it("is that of the RFC's example (section 3.2.2 and 3.2.3)", () => {
    const value = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`);
    expect(canonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  it("orders keys by their UTF-16 code units (section 3.2.3)", () => {
    const keys = ["\u20ac", "\r", "\ufb33", "1", "\ud83d\ude00", "\u0080", "\u00f6"];
    const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])));
    expect(Object.keys(JSON.parse(text))).toEqual(["1", "\r", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"]);
  });

  it.each([
    ["the order of keys", { b: 1, a: { d: 2, c: 3 } }, '{"a":{"c":3,"d":2},"b":1}'],
    ["what is left out", { a: undefined, b: [undefined, () => 1] }, '{"b":[null,null]}'],
    ["an instant", { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ["a negative zero", -0, "0"],
    ["a value met twice", Object.assign([] as unknown[], [{ x: 1 }, { x: 1 }]), '[{"x":1},{"x":1}]'],
  ])("settles %s", (_what, value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  const cycle: unknown[] = [];
  cycle.push({ cycle });
  it.each([
    ["nothing", undefined],
    ["a number that is not finite", { a: [1, Number.NaN] }],
    ["a bigint", { a: 1n }],
    ["half a surrogate pair", ["\ud800"]],
    ["a key that is half of one", { "\udc00": 1 }],
    ["a cycle", cycle],
    ["a value whose form fails", { toJSON: () => JSON.parse("{") }],
  ] as [string, unknown][])("refuses %s", (_what, value) => {
    expect(() => canonicalJson(value)).toThrowError(
      expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path: "value" }) }),
    );
  });
});
