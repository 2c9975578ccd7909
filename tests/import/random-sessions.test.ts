/** Sessions made up at random, with all that may be wrong in them, imported while they grow. */
import { rmSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { figures, useBooks } from "./books.js";
import { assistant, at, temporaryFolder, use, user, write } from "./files.js";

const test = useBooks();

const MODELS = ["claude-opus-4-6", "claude-haiku-4-5", "gpt-7", "<synthetic>", undefined];
const FILES = [
  "s.jsonl",
  "s/subagents/agent-1.jsonl",
  "s/subagents/agent-2.jsonl",
  "s/subagents/agent-acompact-1.jsonl",
  "t.jsonl",
];

interface Written {
  readonly file: string;
  readonly text: string;
}

/** One line of some file. A call's usage only grows, and its input and model stay as they are, whatever line tells of it. */
const line = fc
  .record({
    file: fc.constantFrom(...FILES),
    call: fc.nat({ max: 5 }),
    output: fc.nat({ max: 3 }),
    tool: fc.option(fc.nat({ max: 2 })),
    side: fc.boolean(),
    kind: fc.constantFrom("call", "call", "call", "call", "call", "usage missing", "user", "torn", "empty"),
    minute: fc.nat({ max: 20 }),
  })
  .map(({ file, call, output, tool, side, kind, minute }): Written => {
    const time = at(minute);
    if (kind === "torn") return { file, text: '{"type":"assistant","mess\n' };
    if (kind === "empty") return { file, text: "\n" };
    if (kind === "user") return { file, text: `${JSON.stringify(user({ at: time }))}\n` };
    // Copies of a call may stand in another session, but only the same agent's file grows it.
    const id = file === "t.jsonl" ? `t${call}` : `${FILES.indexOf(file)}-${call}`;
    const model = MODELS[call % MODELS.length];
    const value = assistant({
      id,
      model,
      at: time,
      usage: kind === "call" ? use(call + 1, model === "<synthetic>" ? 0 : output, call % 3, call % 2) : undefined,
      tools: tool === null ? [] : [[`${id}-${tool}`, ["Read", "Bash", "Task"][tool] ?? ""]],
      ...(side && file === "t.jsonl" ? { side, agent: `side-${call % 2}`, id: `side-${id}` } : {}),
    });
    return { file, text: `${JSON.stringify(value)}\n` };
  });

it("end in the figures of one import", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 20, maxLength: 80 }),
      fc.array(fc.record({ share: fc.integer({ min: 1, max: 99 }), final: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.option(fc.constantFrom("1000000")),
      async (lines, cuts, tokens) => {
        const [once, grown] = [await test.open(), await test.open()];
        const budget = tokens === null ? {} : { budget: { tokens } };
        const folder = temporaryFolder();
        const upTo = (count: number): void => {
          for (const file of FILES) {
            const texts = lines.slice(0, count).filter((written) => written.file === file);
            if (texts.length > 0) write(folder, file, texts.map(({ text }) => text).join(""));
          }
        };
        for (const { share, final } of [...cuts].sort((a, b) => a.share - b.share)) {
          upTo(Math.max(1, Math.floor((lines.length * share) / 100)));
          await importClaudeCode(grown.ledger, folder, { ...budget, final, now: new Date(at(20)) });
        }
        upTo(lines.length);
        await importClaudeCode(once.ledger, folder, { ...budget, final: true });
        await importClaudeCode(grown.ledger, folder, { ...budget, final: true });
        expect(await figures(grown)).toEqual(await figures(once));
        const rows = await grown.journal();
        await importClaudeCode(grown.ledger, folder, { final: true });
        expect(await grown.journal()).toBe(rows);
        rmSync(folder, { recursive: true });
      },
    ),
    { numRuns: 20, seed: 11, endOnFailure: true },
  );
}, 180_000);
