/** Imports that are killed, and imports at the same time, end in the figures of one that was left alone. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { type Books, figures, SAMPLE, useBooks } from "./books.js";
import { copyOf, filesOf, write } from "./files.js";

const test = useBooks();

const IMPORTER = fileURLToPath(new URL("importer.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SESSION = "258c7280-ae70-4798-800f-63464d01a85d";

function start(books: Books, folder = SAMPLE): ChildProcess {
  return fork(IMPORTER, [books.url, books.tenantId, folder], { cwd: ROOT, execArgv: ["--import", "tsx"] });
}

/** Kills an import when it has told so many things; answers whether it was still at work. */
async function killAfter(books: Books, messages: number): Promise<boolean> {
  const importer = start(books);
  let told = 0;
  importer.on("message", () => {
    told += 1;
    if (told === messages) importer.kill("SIGKILL");
  });
  const [, signal] = await once(importer, "exit");
  return signal === "SIGKILL";
}

async function finish(importer: ChildProcess): Promise<void> {
  const [code] = await once(importer, "exit");
  expect(code).toBe(0);
}

describe("an import", () => {
  it("killed at random points and run again ends in the same figures", async () => {
    const [once_, books] = [await test.open(), await test.open()];
    await importClaudeCode(once_.ledger, SAMPLE);
    const points = fc.sample(fc.integer({ min: 1, max: 13 }), { seed: 7, numRuns: 4 });
    for (const point of points) expect(await killAfter(books, point), `it had not told ${point} things`).toBe(true);
    await finish(start(books));
    expect(await figures(books)).toEqual(await figures(once_));
  }, 120_000);

  it("beside another one of the same folder ends in the same figures", async () => {
    const [once_, books] = [await test.open(), await test.open()];
    await importClaudeCode(once_.ledger, SAMPLE);
    await Promise.all([finish(start(books)), finish(start(books)), importClaudeCode(books.ledger, SAMPLE)]);
    expect(await figures(books)).toEqual(await figures(once_));
  }, 120_000);

  it("of a session that grew, beside others that read less of it, ends in what the last one finds", async () => {
    const [once_, books] = [await test.open(), await test.open()];
    const folders = [0.3, 0.6, 1].map((share) => {
      const folder = copyOf(SAMPLE);
      for (const { path, lines } of filesOf(SAMPLE, SESSION)) {
        const kept = lines.slice(0, Math.ceil(lines.length * share));
        write(folder, path, kept.map((line) => `${line}\n`).join(""));
      }
      return folder;
    });
    await importClaudeCode(once_.ledger, SAMPLE);
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(folders.map((folder) => importClaudeCode(books.ledger, folder, { final: true })));
    }
    await importClaudeCode(books.ledger, SAMPLE);
    expect(await figures(books)).toEqual(await figures(once_));
  }, 120_000);
});
