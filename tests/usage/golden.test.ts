/** What each provider says of its calls, read. */
import { describe, expect, it } from "vitest";
import { readStream, reportOf, usageOf } from "../../src/usage/report.js";
import { USAGE_FORMATS, type UsageFormat } from "../../src/usage/usage.js";
import { GOLDEN, readGolden } from "./golden.js";

it("there are answers and streams of every format", () => {
  for (const format of USAGE_FORMATS) {
    const those = GOLDEN.filter((golden) => golden.format === format);
    expect(those.some(({ chunks }) => chunks)).toBe(true);
    expect(those.some(({ body }) => body)).toBe(true);
  }
});

describe("reads", () => {
  it.each(GOLDEN.map((golden) => [golden.name, golden] as const))("%s", (_, golden) => {
    expect(readGolden(golden)).toStrictEqual(golden.expected);
  });
});

it("a format that nobody knows is refused by name", () => {
  const rule = "must be one of openai-chat, openai-responses, anthropic, gemini, openrouter, bedrock";
  const readers = [usageOf, reportOf, (format: UsageFormat) => readStream(format)];
  for (const read of readers) {
    const error = { code: "LG001", detail: { path: "format", rule } };
    expect(() => read("cohere" as UsageFormat, {})).toThrow(expect.objectContaining(error));
  }
});
