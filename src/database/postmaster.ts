/** What a server says about itself in the `postmaster.pid` file of its data directory. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./process.js";

const POLL_MS = 10;

/** Process id and state of the server that owns, or last owned, a data directory. */
export interface Postmaster {
  readonly pid: number;
  /** `starting`, `stopping`, `ready` or `standby`; the last one stays in the file after a crash. */
  readonly state: string;
}

/** Reads the file; undefined where there is none, which is how a server leaves an orderly stop. */
export async function readPostmaster(dataDirectory: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDirectory, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  // Line 1 is the process id, line 8 the state (src/include/utils/pidfile.h).
  const pid = Number(lines[0]);
  return pid ? { pid, state: (lines[7] ?? "").trim() } : undefined;
}

/** Waits until that server accepts connections; fails when it ends instead. */
export async function untilReady(
  dataDirectory: string,
  server: { readonly pid: number; readonly ended: Promise<void> },
): Promise<void> {
  let hasEnded = false;
  void server.ended.then(() => {
    hasEnded = true;
  });
  for (;;) {
    const postmaster = await readPostmaster(dataDirectory);
    if (postmaster?.pid === server.pid && postmaster.state === "ready") return;
    if (hasEnded) throw new Error("the server ended while starting");
    await sleep(POLL_MS);
  }
}

/**
 * Gives a server that is still stopping in that data directory a moment: the one of a process just
 * killed is writing its last checkpoint. Whoever starts one after that learns from Postgres itself
 * whether the directory is in use.
 */
export async function awaitOwnersEnd(dataDirectory: string, timeoutMs = 5_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    const postmaster = await readPostmaster(dataDirectory);
    if (!postmaster || !isAlive(postmaster.pid)) return;
    await sleep(POLL_MS);
  }
}
