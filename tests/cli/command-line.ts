/** The command line as people and programs use it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { runProgram } from "../../src/cli/program.js";

// Each call is a process that starts from nothing.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** The program itself. */
export const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** How a process ended and what it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Settings of a process; what the test run itself was told is none of its. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A process that goes on: its output so far, and its end. */
export interface Going {
  readonly child: ChildProcess;
  /** Waits until the standard output matches. */
  until(pattern: RegExp): Promise<string>;
  readonly ended: Promise<Outcome>;
}

/** Starts `agent-ledger` with those arguments. */
export function begin(args: readonly string[], environment: Environment = {}, cwd?: string): Going {
  const { DATABASE_URL: _, AGENT_LEDGER_TENANT: __, AGENT_LEDGER_DIR: ___, ...env } = process.env;
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), MAIN, ...args], {
    env: { ...env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    ...(cwd !== undefined && { cwd }),
  });
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const look of waiting) look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  const until = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(stdout)) return;
        waiting.delete(look);
        resolve(stdout);
      };
      waiting.add(look);
      look();
      void ended.then((outcome) => reject(new Error(`ended before ${pattern}: ${JSON.stringify(outcome)}`)));
    });
  return { child, until, ended };
}

/** Runs it to its end in a process of its own. */
export function runProcess(args: readonly string[], environment: Environment = {}, cwd?: string): Promise<Outcome> {
  return begin(args, environment, cwd).ended;
}

/**
 * Runs it to its end in this process, which is all the same but for signals, pipes and what happens when a process ends, and saves a
 * start each time. One at a time.
 */
export async function run(args: readonly string[], environment: Environment = {}): Promise<Outcome> {
  const { DATABASE_URL: _, AGENT_LEDGER_TENANT: __, AGENT_LEDGER_DIR: ___, ...others } = process.env;
  const before = { env: process.env, exitCode: process.exitCode };
  const printed = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += text;
      return true;
    }),
  );
  process.env = { ...others, ...environment };
  process.exitCode = undefined;
  try {
    return { code: await runProgram(args), ...printed };
  } finally {
    process.env = before.env;
    process.exitCode = before.exitCode;
    for (const spy of spies) spy.mockRestore();
  }
}

/** A table of the output as cells, by its title: rows without the head. */
export function tableOf(stdout: string, title: string): string[][] {
  const lines = stdout.slice(stdout.indexOf(title)).split("\n");
  const from = lines.findIndex((line) => line.startsWith("┌"));
  const to = lines.findIndex((line) => line.startsWith("└"));
  return lines.slice(from + 2, to).map((line) =>
    line
      .slice(1, -1)
      .split("│")
      .map((cell) => cell.trim()),
  );
}
