/** The example programs of the runtime, as a newcomer runs them: what they print, and that the books are in order after. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { useExamples } from "../program.js";
import { readmeProgram } from "../readme.js";

const examples = useExamples();

const linesOf = (program: string): Promise<string[]> => examples.linesOf(new URL(program, import.meta.url));

it("a team of two workers and a driver, as the README shows it", async () => {
  const { source, prints } = readmeProgram();
  const file = readFileSync(fileURLToPath(new URL("team.ts", import.meta.url)), "utf8");
  expect(source).toBe(file.replace(/^\/\*\*.*?\*\/\n/s, "").replace("../../../src/index.js", "agent-ledger"));
  // Six calls of models, 540 tokens each, and three workers, 1,200 each.
  expect(prints).toContain("total 6840 tokens 0.024 dollars 3 iterations");
  expect(await linesOf("team.ts")).toEqual(prints);
});

it("the same, killed and resumed", async () => {
  expect(await linesOf("killed.ts")).toEqual([
    "writing about sea",
    "writing about rivers",
    "writing about hills",
    "ended by SIGKILL",
    "writing about hills",
    "winner about rivers",
    // Two calls of its model in the first life, four in the second.
    "issue-2 done 10460 tokens 0.04 dollars",
    "  sea done 1200 tokens 0.004 dollars",
    "  an article done 2820 tokens 0.01 dollars",
    "    rivers done 1200 tokens 0.004 dollars",
    "  hills expired 2000 tokens 0.01 dollars",
    "  hills done 1200 tokens 0.004 dollars",
    "issue-2:s2 unreported tokens, usd",
  ]);
});

it("two arms at equal cost", async () => {
  expect(await linesOf("experiment.ts")).toEqual([
    // 3 x 1,000 tokens against 3 x 980.
    "tokens equal 60 2970 0.020202020202",
    "usd equal 0.0006 0.0297 0.020202020202",
    "all equal null null null",
    "3 of 3 tasks resolved by one draft alone, p = 0.25",
  ]);
});
