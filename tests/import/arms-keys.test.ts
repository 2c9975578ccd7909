/** Keys that an object of JSON has more than once. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { repeatedKeys } from "../../src/import/arms/keys.js";

it.each<[string, string[]]>([
  ["{}", []],
  ['{"a":1,"b":"a","c":{"a":1,"a":2},"d":[{"a":1},"a",":"]}', []],
  ['{"a":1,"b":2,"a":3}', ["a"]],
  ['{"a":{"b":1},"b":2,"a":[],"b":3,"b":4}', ["a", "b"]],
  ['{"a" : 1, "\\u0061" : 2}', ["a"]],
  [String.raw`{"a\\":"\"","a\\":"{"}`, ["a\\"]],
  [String.raw`{"a":"\\","b":"\"a\":"}`, []],
  ['{"__proto__":1,"__proto__":2}', ["__proto__"]],
  ['[{"a":1,"a":2}]', []],
  ['"a:"', []],
  ["7", []],
])("%s: %j", (json, keys) => {
  expect(repeatedKeys(json)).toEqual(keys);
});

it("an object as JSON writes it has each once, and one with the same member again has that twice", () => {
  const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue(), { minKeys: 1 });
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 2), fc.nat(), (value, indent, pick) => {
      const json = JSON.stringify(value, null, indent);
      expect(repeatedKeys(json)).toEqual([]);
      const keys = Object.keys(JSON.parse(json));
      const key = String(keys[pick % keys.length]);
      expect(repeatedKeys(`${json.slice(0, -1)}, ${JSON.stringify(key)}: 0}`)).toEqual([key]);
    }),
  );
});
