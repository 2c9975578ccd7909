/** Files and folders that are not as a client leaves them: each is told of, and costs nothing else. */
import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findSessions } from "../../src/import/claude-code/folder.js";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { useBooks } from "./books.js";
import { assistant, at, folderOf, temporaryFolder, use, write } from "./files.js";
import { journal, only, total } from "./reading.js";

const test = useBooks();
const FINAL = { final: true };
const good = { "good.jsonl": [assistant({ id: "good" })] };

describe("one odd file", () => {
  it("that is a pipe or a device stops nothing", async () => {
    const folder = folderOf(good);
    execFileSync("mkfifo", [join(folder, "pipe.jsonl"), join(folder, "agent-pipe.jsonl")]);
    symlinkSync("/dev/zero", join(folder, "zero.jsonl"));
    const books = await test.open();
    const report = await importClaudeCode(books.ledger, folder, FINAL);
    const odd = report.sessions.filter(({ run }) => run !== "good").map(({ problems }) => problems[0]);
    expect(odd).toEqual(["pipe", "zero"].map((name) => ({ file: `${name}.jsonl`, problem: "no regular file" })));
    expect(report.problems).toEqual([{ file: "agent-pipe.jsonl", problem: "a sub-agent that names no session" }]);
    expect(await total(books, "good")).toMatchObject({ input: 10 });
  });

  it("with a line too long goes on after it", async () => {
    const long = JSON.stringify({ ...assistant({ id: "long" }), text: "x".repeat(64 * 1024 * 1024) });
    const [first, last] = [assistant({ id: "a" }), assistant({ id: "b" })].map((line) => JSON.stringify(line));
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": `${first}\n${long}\n${last}\n` });
    expect(only(await importClaudeCode(books.ledger, folder)).problems).toEqual([
      { file: "s.jsonl", line: 2, problem: "line too long: more than 64 MB" },
    ]);
    expect(await total(books, "s")).toMatchObject({ input: 20 });
  });

  it("with thousands of tools in one call is booked with a thousand", async () => {
    const books = await test.open();
    const tools = Array.from({ length: 12_000 }, (_, n) => [`t${n}`, "Bash"] as const);
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a", tools })], ...good });
    const { sessions } = await importClaudeCode(books.ledger, folder);
    expect(sessions.find(({ run }) => run === "s")?.problems).toEqual([
      { file: "s.jsonl", line: 1, problem: "a model call with more than 1000 tools: the others are left out" },
    ]);
    const rows = await journal(books, "metered");
    expect(rows.map(({ tool_calls }) => (tool_calls as unknown[] | null)?.length)).toEqual([undefined, 1_000]);
    expect(await journal(books, "corrected")).toEqual([]);
  });

  it("with a byte order mark loses no line", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": `\uFEFF${JSON.stringify(assistant({ id: "a" }))}\n` });
    expect(only(await importClaudeCode(books.ledger, folder)).problems).toEqual([]);
    expect(await total(books, "s")).toMatchObject({ input: 10 });
  });
});

describe("a line", () => {
  it("with a time that is no ISO 8601 with a zone has none", async () => {
    const books = await test.open();
    const times = ["2026-02-03T09:00:00", "foo 12", "May 5", "2026-02-03", "2026-02-03T09:00:00+01:00"];
    const lines = times.map((time, n) => assistant({ id: `t${n}`, at: time }));
    const { problems } = only(await importClaudeCode(books.ledger, folderOf({ "s.jsonl": lines })));
    expect(problems.map(({ line, problem }) => [line, problem.slice(0, 32)])).toEqual(
      [1, 2, 3, 4].map((line) => [line, "a model call without a timestamp"]),
    );
    expect((await journal(books, "metered")).at(-1)).toMatchObject({
      operation_id: "claude-code:t4:req-t4",
      effective_at: new Date("2026-02-03T08:00:00Z"),
    });
  });

  it("without the request id that later ones of its call have is the same call, also in a prefix", async () => {
    const books = await test.open();
    const early = { ...assistant({ id: "a", usage: use(100, 1) }), requestId: undefined };
    const later = assistant({ id: "a", usage: use(100, 9) });
    const other = assistant({ id: "a", request: "other", usage: use(1, 1) });
    for (const lines of [[early], [early, later], [early, later, early, later, other]]) {
      await importClaudeCode(books.ledger, folderOf({ "s.jsonl": lines }));
    }
    expect(await total(books, "s")).toMatchObject({ input: 101, output: 10 });
  });

  it("names price words only where they are words", async () => {
    const books = await test.open();
    const usage = { ...use(1, 1), speed: "SECRET /path", service_tier: "standard", inference_geo: "x".repeat(65) };
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": [assistant({ id: "a", usage })] }));
    expect((await journal(books, "metered"))[0]?.detail).toEqual({ message_id: "a", service_tier: "standard" });
  });
});

describe("a session in two folders", () => {
  it("is read as one, and told of", async () => {
    const books = await test.open();
    const line = (id: string, minute: number) => assistant({ id, at: at(minute) });
    const folder = folderOf({
      "p1/s.jsonl": [line("a", 0)],
      "p1/s/subagents/agent-x.jsonl": [line("m1", 1), line("m2", 2)],
      "p2/s.jsonl": [line("a", 0), line("b", 6)],
      "p2/s/subagents/agent-x.jsonl": [line("m1", 1), line("m3", 7), line("m4", 8)],
    });
    const report = await importClaudeCode(books.ledger, folder, FINAL);
    expect(only(report)).toMatchObject({ files: 4, calls: { found: 6, new: 6 }, problems: [] });
    expect(report.problems).toEqual([
      { file: "p2", problem: "session s is in another folder too: both are read as one" },
    ]);
    expect(await total(books, "s")).toMatchObject({ iterations: 4, input: 60 });
    const rows = await books.journal();
    await importClaudeCode(books.ledger, folder, FINAL);
    expect(await books.journal()).toBe(rows);
  });
});

describe("links", () => {
  it("to folders are followed, once", async () => {
    const real = folderOf({
      "p/s1.jsonl": [assistant({ id: "a" })],
      "session/subagents/agent-x.jsonl": [assistant({ id: "q" })],
    });
    const folder = folderOf({ "p0/s0.jsonl": [assistant({ id: "z" })] });
    symlinkSync(join(real, "p"), join(folder, "link"));
    symlinkSync(join(real, "p"), join(folder, "second"));
    symlinkSync(folder, join(folder, "loop"));
    symlinkSync(join(real, "session"), join(folder, "p0/s3"));
    symlinkSync(join(real, "session"), join(real, "session/subagents/round"));
    const { sessions, problems } = await findSessions(folder);
    expect(sessions.map(({ id, agents }) => [id, ...agents.map((agent) => agent.id)])).toEqual([
      ["s1"],
      ["s0"],
      ["s3", "x"],
    ]);
    expect(problems).toEqual(
      ["loop", "second"].map((file) => ({ file, problem: "a link to a folder that is read already" })),
    );
  });
});

describe("a name with a line break", () => {
  it("is told of", async () => {
    const folder = temporaryFolder();
    write(folder, "s.jsonl", [assistant({ id: "a" })]);
    write(folder, "a\nb.jsonl", [assistant({ id: "b" })]);
    write(folder, "s/subagents/agent-c\nd.jsonl", [assistant({ id: "c" })]);
    expect((await findSessions(folder)).problems).toEqual([
      { file: "a\nb.jsonl", problem: "a session's name must be 1 to 64 visible ASCII characters" },
      { file: "s/subagents/agent-c\nd.jsonl", problem: "an agent's name must be 1 to 64 visible ASCII characters" },
    ]);
  });
});
