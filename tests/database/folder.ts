/** A folder with an embedded server, seen from outside, and processes that use it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, vi } from "vitest";
import { connect } from "../../src/database/connect.js";
import { type Postmaster, readPostmaster } from "../../src/database/postmaster.js";
import { isAlive } from "../../src/database/process.js";

const USER = fileURLToPath(new URL("./user.ts", import.meta.url));

/** How long to wait for processes: this machine may be busy. */
export const PATIENCE = { timeout: 60_000, interval: 20 };

/** A folder of the test's own. */
export interface Folder {
  readonly directory: string;
  /** Process id of the server that runs there. */
  serverPid(): Promise<number>;
  /** Process id of the host that owns it. */
  hostPid(): Promise<number>;
  /** Waits until the server there, and its host, have ended. */
  untilStopped(): Promise<void>;
  /** Waits for that, and removes the folder. */
  remove(): Promise<void>;
}

/** Makes an empty one that the account of the server can enter. */
export async function temporaryFolder(): Promise<Folder> {
  const directory = await mkdtemp(join(tmpdir(), "agent-ledger-"));
  await chmod(directory, 0o755);
  const dataDirectory = join(directory, "data");
  const log = (): Promise<string> => readFile(join(directory, "host.log"), "utf8").catch(() => "");
  const hosts = async (): Promise<number[]> =>
    [...(await log()).matchAll(/^\S+ (\d+): /gm)].map(([, pid]) => Number(pid));
  const untilStopped = (): Promise<void> =>
    vi.waitFor(async () => {
      expect(await readPostmaster(dataDirectory)).toBeUndefined();
      expect((await hosts()).filter(isAlive)).toEqual([]);
    }, PATIENCE);
  return {
    directory,
    serverPid: async () => (await readPostmaster(dataDirectory))?.pid as number,
    hostPid: () =>
      vi.waitFor(async () => {
        const { pid } = (await readPostmaster(dataDirectory)) as Postmaster;
        const [, host] = (await log()).match(new RegExp(` (\\d+): Postgres ${pid} listens`)) ?? [];
        expect(host).toBeDefined();
        return Number(host);
      }, PATIENCE),
    untilStopped,
    async remove() {
      await untilStopped();
      await removeUsed(directory);
    },
  };
}

/** Removes a folder while processes that are about to end may write there. */
export async function removeUsed(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
}

/** A process that has attached. */
export interface User {
  readonly process: ChildProcess;
  readonly superuserUrl: string;
  /** Runs a statement in that process and answers the rows. */
  ask(statement: string): Promise<unknown>;
  /** Ends it as a power cut would. */
  kill9(): Promise<void>;
  /** Ends it as Ctrl-C does: the signal goes to what it has started, too. */
  interrupt(): Promise<void>;
}

/** Starts a process that attaches; with `end` it has nothing else to do. */
export async function startUser(directory: string, end?: "end"): Promise<User> {
  const child = spawn(process.execPath, ["--import", "tsx", USER, directory, ...(end ? [end] : [])], {
    // A process group of its own, as a shell gives it.
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse((await lines.next()).value as string);
  return {
    process: child,
    superuserUrl: (await next()) as string,
    ask(statement) {
      child.stdin.write(`${statement}\n`);
      return next();
    },
    async kill9() {
      child.kill("SIGKILL");
      await exited;
    },
    async interrupt() {
      process.kill(-(child.pid as number), "SIGINT");
      await exited;
    },
  };
}

/** One statement on a connection of its own. */
export async function query(url: string, text: string, values: unknown[] = []): Promise<unknown[]> {
  const client = await connect(url);
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Waits until the host has run a statement with that word in it: it looks whether anybody is left, and lets visitors stay. */
export async function untilLookedAt(superuserUrl: string, word: string): Promise<void> {
  const [{ now } = {}] = (await query(superuserUrl, "select now()")) as { now?: Date }[];
  const text = "select from pg_stat_activity where query like $1 and pid <> pg_backend_pid() and state_change > $2";
  await vi.waitFor(async () => expect(await query(superuserUrl, text, [`%${word}%`, now])).toHaveLength(1), PATIENCE);
}
