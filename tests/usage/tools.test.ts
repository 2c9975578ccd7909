/** Tools that a model asks for, out of whatever pieces they come in. */
import { describe, expect, it } from "vitest";
import { readStream } from "../../src/usage/report.js";
import type { ToolAsked } from "../../src/usage/usage.js";

/** Pieces of tool calls of one choice, and whether it ended with them. */
function asked(pieces: readonly object[], finish_reason: string | null = "tool_calls"): readonly ToolAsked[] {
  const reading = readStream("openai-chat");
  for (const piece of pieces) reading.add({ choices: [{ index: 0, delta: { tool_calls: [piece] } }] });
  reading.add({ choices: [{ index: 0, delta: {}, finish_reason }] });
  return reading.report().tools;
}

const call = (index: number | undefined, id: string, name: string, text: string) => ({
  index,
  id,
  type: "function",
  function: { name, arguments: text },
});

describe("pieces of tool calls", () => {
  it.each<[string, readonly object[], readonly ToolAsked[]]>([
    ["no arguments", [call(0, "a", "now", "")], [{ name: "now", id: "a", arguments: {} }]],
    ["arguments that are no JSON", [call(0, "a", "run", "ls -")], [{ name: "run", id: "a", arguments: "ls -" }]],
    [
      "arguments that are an object",
      [{ id: "a", function: { name: "f", arguments: { x: 1 } } }],
      [{ name: "f", id: "a", arguments: { x: 1 } }],
    ],
    [
      "in a mixture",
      [
        call(0, "a", "f", '{"x"'),
        call(1, "b", "g", "[1"),
        { index: 0, function: { arguments: ":1}" } },
        { index: 1, function: { arguments: "]" } },
      ],
      [
        { name: "f", id: "a", arguments: { x: 1 } },
        { name: "g", id: "b", arguments: [1] },
      ],
    ],
    [
      "two under one index",
      [call(0, "a", "f", "{}"), call(0, "b", "g", "{}")],
      [
        { name: "f", id: "a", arguments: {} },
        { name: "g", id: "b", arguments: {} },
      ],
    ],
    [
      "without an index",
      [call(undefined, "a", "f", "{"), { function: { arguments: "}" } }],
      [{ name: "f", id: "a", arguments: {} }],
    ],
    [
      "without a name",
      [{ index: 0, id: "a", function: { arguments: "{}" } }],
      [{ name: "unnamed", id: "a", arguments: {} }],
    ],
    ["an id that the ledger cannot hold", [call(0, "a".repeat(201), "f", "{}")], [{ name: "f", arguments: {} }]],
  ])("%s", (_, pieces, tools) => {
    expect(asked(pieces)).toEqual(tools);
  });

  it("that were not all of it tell no arguments", () => {
    expect(asked([call(0, "a", "f", "1")], null)).toEqual([{ name: "f", id: "a" }]);
  });
});

describe("what is kept", () => {
  const long = "1".repeat(400_000);

  it("is a million characters of arguments: of a call beyond them they are not told, others stay", () => {
    const pieces = [
      call(0, "a", "f", "1"),
      call(1, "b", "g", long),
      ...Array.from({ length: 9 }, () => ({ index: 1, function: { arguments: long } })),
    ];
    expect(asked([...pieces, call(2, "c", "h", "3")])).toEqual([
      { name: "f", id: "a", arguments: 1 },
      { name: "g", id: "b" },
      { name: "h", id: "c", arguments: 3 },
    ]);
  });

  it("is a thousand calls", () => {
    const reading = readStream("gemini");
    const parts = Array.from({ length: 600 }, () => ({ functionCall: { name: "f" } }));
    for (let event = 0; event < 3; event++) reading.add({ candidates: [{ content: { parts } }] });
    expect(reading.report().tools).toHaveLength(1_000);
  });
});

describe("events of a stream", () => {
  it("that run out of one choice do not end another", () => {
    const reading = readStream("openai-chat");
    const choice = (index: number, finish_reason: string | null) =>
      reading.add({ choices: [{ index, delta: {}, finish_reason }] });
    choice(0, null);
    choice(1, null);
    choice(0, "stop");
    expect(reading.report().complete).toBe(false);
    choice(1, "stop");
    expect(reading.report().complete).toBe(true);
  });

  it("may leave the arguments of a tool out", () => {
    const reading = readStream("gemini");
    const part = {
      functionCall: { name: "f", willContinue: true, partialArgs: [{ jsonPath: "$.x", numberValue: 1 }] },
    };
    reading.add({ candidates: [{ content: { parts: [part] } }] });
    reading.add({ candidates: [{ content: { parts: [{ functionCall: {} }] }, finishReason: "STOP" }] });
    expect(reading.report().tools).toEqual([{ name: "f" }]);
  });
});
