/** What only a process of its own shows: exit codes as the shell sees them, help, pipes. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MAIN, runProcess } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.close());

it("exits with 0, 1 and 2", async () => {
  expect(await runProcess(["pool", "open", "p", "--tokens", "5"], ledger.environment)).toMatchObject({
    code: 0,
    stderr: "",
  });
  expect(await runProcess(["pool", "fund", "p", "tokens=-6"], ledger.environment)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("(not-free)"),
  });
  expect(await runProcess(["pool", "fund", "p"], ledger.environment)).toMatchObject({ code: 2, stdout: "" });
});

it.each([
  [undefined, false],
  ["1", true],
])("says what a surprise is, and where only when asked: AGENT_LEDGER_DEBUG=%s", async (debug, isShown) => {
  const late = `process.once("beforeExit", () => { throw new RangeError("out of the blue") })`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(late)}`;
  const environment = { ...ledger.environment, NODE_OPTIONS, AGENT_LEDGER_DEBUG: debug };
  const { code, stdout, stderr } = await runProcess(["--version"], environment);
  expect({ code, stdout: stdout !== "" }).toEqual({ code: 1, stdout: true });
  expect(stderr).toMatch(
    /^agent-ledger: out of the blue\n {2}this is a surprise: AGENT_LEDGER_DEBUG=1 shows where it happened\n/,
  );
  expect(/^ {4}at /m.test(stderr)).toBe(isShown);
});

it("lists every verb, the exit codes and the environment in its help, and knows its version", async () => {
  const { code, stdout } = await runProcess(["--help"]);
  expect(code).toBe(0);
  for (const verb of "start migrate tenant role pool expire import prices plan export verify-export runs trajectory breakdown usage gate refusals health audit tail".split(
    " ",
  )) {
    expect(stdout).toMatch(new RegExp(`^ {2}${verb}\\b`, "m"));
  }
  expect(stdout).toMatch(/^Exit codes:\n {2}0 {2}.*\n {2}1 {2}.*\n {2}2 {2}/m);
  expect(stdout).toContain("DATABASE_URL");
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(await runProcess(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

it("ends quietly when its reader has enough", async () => {
  const operations = Array.from({ length: 400 }, (_, index) => ({
    op: "open_pool",
    operation_id: `r${index}`,
    pool_id: `run-${index}-${"x".repeat(150)}`,
    channels: {},
    run: { label: "r" },
  }));
  await ledger.apply(operations);
  const text = `"${process.execPath}" --import "${import.meta.resolve("tsx")}" "${MAIN}" runs --json | head -c 10; echo " \${PIPESTATUS[0]}"`;
  const env = { ...process.env, ...ledger.environment };
  const { stdout, stderr } = await promisify(execFile)("bash", ["-c", text], { env });
  expect({ stdout, stderr }).toEqual({ stdout: "[\n  {\n     0\n", stderr: "" });
});
