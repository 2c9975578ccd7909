/** The examples of the README run in the order in which they stand there, and print what it says. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";
import { readmeBlocks, readmeQuestions, readmeStatements } from "./readme.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SAMPLE = join(ROOT, "src/sample/claude-code");
const TENANT = "local";

/** The role the README makes; roles belong to the cluster, so it goes when the test is over. */
const ROLE = "acme_auditor";

let database: TestDatabase;
let url: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(`drop role if exists ${ROLE}`);
  await database.pool.query("select ledger.create_tenant($1)", [TENANT]);
  url = await createLoginRole(database, { memberOf: "ledger_writer", tenantId: TENANT });
});

afterAll(async () => {
  await database.pool.query(`drop role if exists ${ROLE}`);
  await database.drop();
});

/** Runs a program with the loader of TypeScript, as the writer of the tenant; answers what it printed. */
async function run(...args: string[]): Promise<string> {
  const env = { ...process.env, DATABASE_URL: url };
  const program = promisify(execFile)(process.execPath, ["--import", "tsx", ...args], { cwd: ROOT, env });
  return (await program).stdout;
}

/** What the compiler says against the sources of a folder. */
function typeErrors(folder: string): Promise<string> {
  const compiler = join(ROOT, "node_modules/.bin/tsc");
  return promisify(execFile)(compiler, ["-p", folder]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
}

it("shows what the first command prints", async () => {
  const [screen = ""] = readmeBlocks("").filter((text) => text.startsWith("Runs\n"));
  expect(screen).toContain("driver inference");
  const printed = await run("src/cli/main.ts", "start");
  for (const part of screen.split("\n\n")) expect(printed).toContain(part.trimEnd());
});

it("runs its TypeScript", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agent-ledger-readme-"));
  try {
    const file = join(folder, "example.mts");
    const source = readmeBlocks("ts")
      .join("\n")
      .replace('"agent-ledger"', JSON.stringify(join(ROOT, "src/index.ts")));
    await writeFile(file, source);
    const settings = { extends: join(ROOT, "tsconfig.json"), files: [file] };
    const types = {
      noEmit: true,
      rootDir: "/",
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
      allowImportingTsExtensions: true,
    };
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ ...settings, include: [], compilerOptions: types }),
    );
    const printed = await run(file);
    expect(await typeErrors(folder)).toBe("");
    expect(printed).toMatch(/tokensLeft: 183640,\n.*\n\s+usdLeft: '4.8989'/);
    expect(printed).toContain("5 settled 0.0838 true\n6 metered 0.004 true\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("runs its commands", async () => {
  const lines = readmeBlocks("sh").flatMap((block) => block.trim().split("\n"));
  const calls = lines.filter((line) => line.startsWith("npx agent-ledger "));
  expect(calls.length).toBeGreaterThan(4);
  for (const line of calls) {
    const words = line
      .replace(/\s+#.*$/, "")
      .split(" ")
      .slice(2);
    const args = words.map((word) => (word === "~/.claude/projects" ? SAMPLE : word));
    expect(await run("src/cli/main.ts", ...args), line).not.toBe("");
  }
}, 180_000);

/** What the ledger answered to a call that was not simply ok. */
const objections = (answers: readonly { status: string; code: string | null }[]): string[] =>
  answers.filter(({ status }) => status !== "ok").map(({ status, code }) => `${status} ${code}`);

/** The questions have a test of their own, and answers. */
const questions = new Set(readmeQuestions().flatMap(({ statements }) => statements));

it("answers what its SQL asks", async () => {
  const objected: string[] = [];
  for (const statement of readmeStatements().filter((one) => !questions.has(one))) {
    const { rows } = await database.pool.query(statement);
    if (statement.startsWith("select")) expect(rows, statement).not.toEqual([]);
    if (statement.startsWith("call")) objected.push(...objections(rows[0].p_results));
  }
  expect(objected, "those of the period that ends").toEqual(["refused budget-exhausted", "error LG007"]);
  expect((await database.pool.query("select * from ledger.audit")).rows).toEqual([]);
});
