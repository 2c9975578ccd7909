/** The example of usage of other providers, as a newcomer runs it. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { useExamples } from "../program.js";
import { readmeBlocks } from "../readme.js";

const PROGRAM = new URL("usage.ts", import.meta.url);

const examples = useExamples();

it("books what each provider said, and marks what it did not", async () => {
  expect(await examples.linesOf(PROGRAM)).toEqual([
    // 150 said and 640 thought.
    'google 9000 8000 790 640 true ["look_up"]',
    // 30 fresh, 4,000 read, 1,400 written.
    "aws 5430 4000 120 0 true null",
    "anthropic 470 0 2 0 false null",
    // 9,790 + 5,550 + 472; nobody stated a cost, and there is no price book.
    "driver_inference 15812 tokens 0 dollars false false",
    "child_work 0 tokens 0 dollars true true",
    "total 15812 tokens 0 dollars false false",
  ]);
});

it("is what the README shows", () => {
  const [block = ""] = readmeBlocks("typescript").filter((text) => text.includes("reportOf("));
  const lines = readFileSync(PROGRAM, "utf8").replace("../../../src/index.js", "agent-ledger").split("\n");
  const shown = block.split("\n").filter((line) => line !== "" && !line.startsWith("import"));
  expect(shown.length).toBeGreaterThan(4);
  expect(shown.filter((line) => !lines.includes(line))).toEqual([]);
});
