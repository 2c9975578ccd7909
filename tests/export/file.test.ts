/** What an export replaces: files, never links to them, nor devices. */
import { execFileSync } from "node:child_process";
import { lstat, mkdtemp, open, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { writeFileOf } from "../../src/export/file.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-export-file-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function* lines(): AsyncGenerator<string> {
  yield "one\n";
  yield "two\n";
}

const LINES = "one\ntwo\n";

it("writes where a link leads, and leaves the link", async () => {
  const [file, link] = [join(folder, "books.jsonl"), join(folder, "latest")];
  await writeFile(file, "of yesterday");
  await symlink("books.jsonl", link);
  await writeFileOf(lines(), link);
  expect({ link: await readlink(link), text: await readFile(file, "utf8") }).toEqual({
    link: "books.jsonl",
    text: LINES,
  });
});

it("makes what a link names that is not there yet", async () => {
  const link = join(folder, "latest");
  await symlink("books.jsonl", link);
  await writeFileOf(lines(), link);
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
  expect(await readFile(join(folder, "books.jsonl"), "utf8")).toBe(LINES);
  expect((await readdir(folder)).sort()).toEqual(["books.jsonl", "latest"]);
});

it("writes into a pipe, which stays one", async () => {
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = await open(pipe, "r+");
  await writeFileOf(lines(), pipe);
  const { buffer, bytesRead } = await reader.read(Buffer.alloc(100), 0, 100, null);
  await reader.close();
  expect(buffer.subarray(0, bytesRead).toString()).toBe(LINES);
  expect((await stat(pipe)).isFIFO()).toBe(true);
});

it("refuses a folder, and leaves nothing in it", async () => {
  await expect(writeFileOf(lines(), folder)).rejects.toMatchObject({ code: "EISDIR" });
  expect(await readdir(folder)).toEqual([]);
});
