/** The example of traces, as a newcomer runs it: what it prints, what is in the ledger after it, and that the README shows it. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { useExamples } from "../program.js";
import { readmeBlocks } from "../readme.js";

const PROGRAM = new URL("traces.ts", import.meta.url);

const examples = useExamples();

it("finds an agent that goes in circles, live and in the database", async () => {
  expect(await examples.linesOf(PROGRAM)).toEqual([
    "turn 2: repeated-action of bash, 3 times",
    "turn 2: error-streak of bash, 3 times",
    'called [{"tool":"bash","calls":4,"errors":3,"unknown":0}]',
    // The pool was opened with seq 1: the turns are 2, 3 and 4.
    'booked {"detector":"repeated-action","tool":"bash","streak":"3","first_seq":"2","seq":"4"}',
    'booked {"detector":"error-streak","tool":"bash","streak":"3","first_seq":"2","seq":"4"}',
  ]);
  const { rows } = await examples.database.pool.query<{ told: string }>(
    "select string_agg(to_jsonb(j)::text, ' ') as told from ledger.journal j",
  );
  expect(rows[0]?.told).toContain('"id": "c4"');
  expect(rows[0]?.told).not.toMatch(/npm test|exit 1|done/);
});

it("stands in the README", () => {
  const lines = readFileSync(PROGRAM, "utf8")
    .split("\n")
    .map((line) => line.trim());
  const [block = ""] = readmeBlocks("typescript").filter((text) => text.includes("watchTrace("));
  const shown = block.split("\n").filter((line) => line !== "");
  expect(shown.length).toBeGreaterThan(3);
  for (const line of shown) expect(lines).toContain(line.trim());
});
