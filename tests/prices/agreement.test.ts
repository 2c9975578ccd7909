/** Where a list's first match and a book's best match could differ, nothing wrong is left. */
import { describe, expect, it } from "vitest";
import { agree, type Entry } from "../../src/prices/agreement.js";
import { clausesOf } from "../../src/prices/clauses.js";
import { Matching } from "../../src/prices/matching.js";
import { witnessesOf } from "../../src/prices/witnesses.js";

/** A catalogue of `model: clauses`, which takes the first that fits, as real ones do. */
function book(models: Readonly<Record<string, readonly (readonly [Entry<string>["match"], string])[]>>) {
  const list = Object.entries(models).flatMap(([model, clauses]) =>
    clauses.map(([match, name]): Entry<string> => ({ match, name, model })),
  );
  const fits = ({ match, name }: Entry<string>, asked: string): boolean => {
    if (match === "exact") return asked === name;
    if (match === "prefix") return asked.startsWith(name);
    return match === "contains" ? asked.includes(name) : /^-\d{8}$/.test(asked.replace(name, ""));
  };
  const catalogue = {
    find: (asked: string) => list.find((entry) => fits(entry, asked))?.model,
    alike: (a: string, b: string) => a === b,
  };
  const agreed = agree(list, witnessesOf(list), catalogue);
  return { ...agreed, entries: agreed.entries.map(({ match, name, model }) => `${match} ${name} = ${model}`) };
}

describe("agreement", () => {
  it("keeps what both find alike", () => {
    expect(book({ mini: [["prefix", "gpt-mini"]], gpt: [["prefix", "gpt"]], old: [["dated", "older"]] })).toEqual({
      entries: ["prefix gpt-mini = mini", "prefix gpt = gpt", "dated older = old"],
      narrowed: 0,
      shadowed: 0,
    });
  });

  it("leaves out a name that the list gives to a model before it", () => {
    expect(book({ gpt: [["prefix", "gpt"]], mini: [["prefix", "gpt-mini"]] })).toEqual({
      entries: ["prefix gpt = gpt"],
      narrowed: 0,
      shadowed: 1,
    });
  });

  it("narrows a prefix to its name where a part before it would win", () => {
    // The list gives gpt-audio to `sound`, a book would give it to the prefix.
    expect(book({ sound: [["contains", "audio"]], gpt: [["prefix", "gpt"]] })).toEqual({
      entries: ["contains audio = sound", "exact gpt = gpt", "dated gpt = gpt"],
      narrowed: 1,
      shadowed: 0,
    });
  });

  it("relies on no order among parts of the same length", () => {
    const { entries } = book({ one: [["contains", "abc"]], two: [["contains", "xyz"]] });
    expect(entries).toEqual(["contains abc = one", "exact xyz = two", "dated xyz = two"]);
  });

  it("reads patterns of a date, and of a name; of others the name before them", () => {
    const clauses = (regex: string) => clausesOf({ regex });
    expect(clauses("^claude-opus-5-\\d{8}$")).toEqual([{ match: "dated", name: "claude-opus-5" }]);
    expect(clauses("^gpt-5\\.4-\\d{4}-\\d{2}-\\d{2}$")).toEqual([{ match: "dated", name: "gpt-5.4" }]);
    expect(clauses("^grok-4\\.5\\[fast=true\\]$")).toEqual([{ match: "exact", name: "grok-4.5[fast=true]" }]);
    expect(clauses("^gemini-3\\.5-flash-\\d")).toEqual([{ clause: "regex", name: "gemini-3.5-flash-" }]);
    expect(clauses("^(?!.*tts)")).toEqual([{ clause: "regex" }]);
    expect(clausesOf({ and: [{ starts_with: "Gemini-2.5" }, { regex: "^(?!.*tts)" }] })).toEqual([
      { clause: "and", name: "gemini-2.5" },
    ]);
  });

  it("finds as the database does: exact, dated, the longest prefix, the longest part", () => {
    const entries = [
      { match: "contains", name: "m" },
      { match: "prefix", name: "a-m" },
      { match: "prefix", name: "a" },
      { match: "dated", name: "a-m" },
      { match: "exact", name: "a-m-20260101" },
    ] as const;
    const found = (name: string) => new Matching(entries).find(name).map(({ match, name: by }) => `${match} ${by}`);
    expect(found("a-m-20260101")).toEqual(["exact a-m-20260101"]);
    expect(found("a-m-20260102")).toEqual(["dated a-m"]);
    expect(found("a-m-2026-01-02")).toEqual(["dated a-m"]);
    expect(found("a-m-2026")).toEqual(["prefix a-m"]);
    expect(found("a-x")).toEqual(["prefix a"]);
    expect(found("x-m")).toEqual(["contains m"]);
    expect(found("x")).toEqual([]);
  });
});
