/** Lives of a run: a process each, the program compiled once, so that a life begins cheaply. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SupervisedResult } from "../../../src/supervise/result.js";
import type { Provider } from "./provider.js";
import type { Orders } from "./victim.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A program, compiled. */
export interface Program {
  readonly path: string;
  remove(): Promise<void>;
}

/** Compiles the victim with all it stands on, from the sources as they are, where its packages are found. */
export async function compileVictim(): Promise<Program> {
  const folder = join(ROOT, `node_modules/.agent-ledger-victim-${process.pid}`);
  const settings = [
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--types",
    "node",
    "--moduleDetection",
    "force",
    "--skipLibCheck",
  ];
  const emitting = ["--ignoreConfig", "--noCheck", "--rootDir", ROOT, "--outDir", folder];
  const sources = [join(ROOT, "tests/supervise/kill/victim.ts")];
  await promisify(execFile)(join(ROOT, "node_modules/.bin/tsc"), [...settings, ...emitting, ...sources], { cwd: ROOT });
  return {
    path: join(folder, "tests/supervise/kill/victim.js"),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** No life takes so long, however busy the machine. */
const MOST_MS = 90_000;

/** How a life ended. */
export interface Life {
  readonly killed: boolean;
  /** Where it came to its end. */
  readonly result: SupervisedResult | undefined;
  /** What it wrote to its error stream. */
  readonly complaint: string;
}

/** Lets the program live until it ends or is killed at its point. */
export async function live(program: Program, provider: Provider, orders: Orders): Promise<Life> {
  const child = spawn(process.execPath, [program.path, JSON.stringify(orders)], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const closed = once(child, "close");
  const unwatch = watchFor(provider, orders, child, exited);
  let complaint = "";
  let result: SupervisedResult | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => {
    result = JSON.parse(line) as SupervisedResult;
  });
  child.stderr.on("data", (piece) => {
    complaint += piece;
  });
  const limit = setTimeout(() => {
    complaint += `alive after ${MOST_MS} ms`;
    child.kill("SIGKILL");
  }, MOST_MS);
  const [, signal] = await closed;
  clearTimeout(limit);
  unwatch();
  return { killed: signal === "SIGKILL", result, complaint };
}

/** At a point that is a request's, the process is dead before the provider goes on. */
function watchFor(provider: Provider, { point }: Orders, child: ChildProcess, exited: Promise<unknown>): () => void {
  let left = point?.at === "request" ? point.n : Number.POSITIVE_INFINITY;
  provider.onStage(async (stage) => {
    if (point?.at !== "request" || stage !== point.stage) return;
    left -= 1;
    if (left !== 0) return;
    child.kill("SIGKILL");
    await exited;
  });
  return () => provider.onStage(() => {});
}
