/** `agent-ledger mcp` as a process: the protocol on standard output, and nothing else. The example beside the README has the official client on it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { MAIN, run } from "../cli/command-line.js";
import { filesBelow, read } from "../contract/sources.js";
import { useBooks } from "./books.js";

const books = useBooks();

const VERB = ["--import", import.meta.resolve("tsx"), MAIN, "mcp", "--run", "review"];

const call = (id: number, name: string, args: object = {}) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: args },
});
const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
const HELLO = [
  { jsonrpc: "2.0", id: 0, method: "initialize", params },
  { jsonrpc: "2.0", method: "notifications/initialized" },
];

/** Starts a server; how it ended, and what it answered. */
function begin() {
  const child = spawn(process.execPath, VERB, { env: { ...process.env, DATABASE_URL: books.auditorUrl } });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      printed[name] += text;
    });
  }
  const ended = once(child, "close").then(([code]) => {
    const answers = printed.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    return { code: code as number | null, answers, stderr: printed.stderr };
  });
  return { child, ended };
}

it("answers all that was asked before the input ended, and ends; standard output is the protocol alone", async () => {
  const { child, ended } = begin();
  const messages = [
    ...HELLO,
    call(1, "audit"),
    call(2, "budget", { pool: "\u001b[31m" }),
    call(3, "budget"),
    ...Array.from({ length: 7 }, (_, at) => call(4 + at, "question", { question: "balances" })),
  ];
  child.stdin.end(["no message at all", ...messages.map((message) => JSON.stringify(message)), ""].join("\n"));
  const { code, answers, stderr } = await ended;
  expect(code).toBe(0);
  expect(answers.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(answers.find(({ id }) => id === 1).result.structuredContent).toMatchObject({ healthy: true });
  expect(answers.find(({ id }) => id === 3).result.structuredContent).toMatchObject({
    pool_id: "review",
    usdLeft: "1.318",
  });
  expect(answers.find(({ id }) => id === 2).result.isError).toBe(true);
  expect(stderr).toMatch(/^agent-ledger mcp: .*JSON.*\n$/);
});

it("prints nothing on standard output where it cannot begin", async () => {
  const both = await run(["mcp", "--pool", "project", "--run", "review"]);
  expect(both).toMatchObject({ code: 2, stdout: "" });
  expect(both.stderr).toContain("cannot be used with option '--pool <pool>'");
  const other = await run(["mcp", "--tenant", "other"], { DATABASE_URL: books.auditorUrl });
  expect(other).toMatchObject({ code: 1, stdout: "" });
  expect(other.stderr).toContain("(LG009)");
});

it("loads the SDK when a server is made, and not before", () => {
  const importing = filesBelow("src", ".ts").filter((name) => read(name).includes('"@modelcontextprotocol/'));
  expect(importing.every((name) => name.startsWith("src/mcp/"))).toBe(true);
  for (const name of importing) {
    const statics = read(name).match(/^(?:import|export)\b[^;(]*"@modelcontextprotocol\/[^"]*";/gm) ?? [];
    expect(
      statics.filter((line) => !line.startsWith("import type ")),
      name,
    ).toEqual([]);
  }
});

it("ends although a call waits in the database: at once where it is told to, after a while where its input ends", async () => {
  const { pool } = books.database;
  const locker = await pool.connect();
  await locker.query("begin");
  await locker.query("lock table ledger_private.pools in access exclusive mode");
  const waiting = async (): Promise<unknown> => {
    const login = new URL(books.auditorUrl).username;
    const text = "select count(*) from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'";
    return (await pool.query(text, [login])).rows[0].count;
  };
  try {
    const [told, left] = [begin(), begin()];
    for (const { child } of [told, left])
      child.stdin.write([...HELLO, call(1, "budget")].map((message) => `${JSON.stringify(message)}\n`).join(""));
    await expect.poll(waiting, { timeout: 30_000 }).toBe("2");
    told.child.kill("SIGTERM");
    left.child.stdin.end();
    expect(await told.ended).toEqual({ code: 0, answers: [expect.objectContaining({ id: 0 })], stderr: "" });
    const { code, answers, stderr } = await left.ended;
    expect({ code, answers }).toEqual({ code: 1, answers: [expect.objectContaining({ id: 0 })] });
    expect(stderr).toContain("1 call(s) are not answered");
    // Nobody waits for the lock any more.
    await expect.poll(waiting, { timeout: 30_000 }).toBe("0");
  } finally {
    await locker.query("rollback");
    locker.release();
  }
});

it("ends with an error at a message that is too long", async () => {
  const { child, ended } = begin();
  child.stdin.on("error", () => {}).write(`${HELLO.map((message) => JSON.stringify(message)).join("\n")}\n`);
  child.stdin.end("x".repeat(11 * 1024 * 1024));
  const { code, stderr } = await ended;
  expect(code).toBe(1);
  expect(stderr).toContain("agent-ledger: The connection was given up: a message in its input was too long");
});

it("makes no ledger where there is none", async () => {
  const folder = join(tmpdir(), `no-ledger-${process.pid}`);
  const { code, stdout, stderr } = await run(["mcp"], { AGENT_LEDGER_DIR: folder });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(`There is no ledger in ${folder}: set AGENT_LEDGER_DIR`);
  expect(stderr).toContain("--database-url");
  expect(existsSync(folder)).toBe(false);
});
