/** Sessions imported while they grow end in the figures of one import at the end. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { figures, SAMPLE, useBooks } from "./books.js";
import { type File, filesOf, temporaryFolder, write } from "./files.js";

const test = useBooks();

const SESSIONS: readonly [session: string, seed: number][] = [
  ["258c7280-ae70-4798-800f-63464d01a85d", 1],
  ["4d5611e5-241a-462a-8d15-5122611a9569", 2],
  ["ae4a77f8-aedd-4bc1-888f-c94edc91af04", 3],
  ["6c2214d7-b87e-4432-8e41-22ba294ea584", 4],
];

/** Every place where a writer may have been stopped: after a line of the file that leads, and how far into the next one. */
interface Cut {
  readonly line: number;
  readonly torn: number;
  readonly quiet: boolean;
}

/** Twenty cuts of a session, in order. */
function cutsOf(length: number, seed: number): Cut[] {
  const cut = fc.record({
    line: fc.integer({ min: 0, max: length - 1 }),
    torn: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
    quiet: fc.boolean(),
  });
  return fc.sample(cut, { seed, numRuns: 20 }).sort((a, b) => a.line - b.line || a.torn - b.torn);
}

const timeOf = (line: string): number => Date.parse(JSON.parse(line).timestamp);

/** A file's lines as far as it was written, the last one torn. */
function prefix(file: File, count: number, torn: number): string {
  const next = file.lines[count] ?? "";
  return (
    file.lines
      .slice(0, count)
      .map((line) => `${line}\n`)
      .join("") + next.slice(0, Math.floor(next.length * torn))
  );
}

/** When the leading file had been written so far. */
const momentOf = (leader: File, line: number): number => Math.max(...leader.lines.slice(0, line + 1).map(timeOf));

describe.each(SESSIONS)("%s cut at 20 random lines", (session, seed) => {
  const files = filesOf(SAMPLE, session);
  const leader = files.find(({ path }) => path === `${session}.jsonl`) ?? files[0];
  if (!leader) throw new Error("no such session");

  it.each([
    [
      "by time",
      (file: File, cut: Cut): number => file.lines.filter((line) => timeOf(line) <= momentOf(leader, cut.line)).length,
    ],
    ["by line", (file: File, cut: Cut): number => Math.floor((file.lines.length * cut.line) / leader.lines.length)],
  ])(
    "and its other files %s",
    async (_, upTo) => {
      const [once, grown] = [await test.open(), await test.open()];
      const folder = temporaryFolder();
      for (const cut of cutsOf(leader.lines.length, seed)) {
        for (const file of files) {
          const count = file === leader ? cut.line : upTo(file, cut);
          if (file === leader || count > 0) write(folder, file.path, prefix(file, count, cut.torn));
        }
        const now = new Date(momentOf(leader, cut.line) + (cut.quiet ? 11 * 60_000 : 1_000));
        await importClaudeCode(grown.ledger, folder, { now });
      }
      for (const file of files) write(folder, file.path, prefix(file, file.lines.length, 0));
      await importClaudeCode(once.ledger, folder);
      await importClaudeCode(grown.ledger, folder);
      expect(await figures(grown)).toEqual(await figures(once));

      const rows = await grown.journal();
      await importClaudeCode(grown.ledger, folder);
      expect(await grown.journal(), "importing again adds nothing").toBe(rows);
    },
    120_000,
  );
});
