/** What a server says about itself in the `postmaster.pid` file of its data directory. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isFree } from "./port.js";
import { isAlive } from "./process.js";

const POLL_MS = 10;
const MOMENT_MS = 300;

/** Process id, port and state of the server that owns, or last owned, a data directory. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** `starting`, `stopping`, `ready` or `standby`; the last one stays in the file after a crash. */
  readonly state: string;
}

/** Reads the file; undefined where there is none, which is how a server leaves an orderly stop. */
export async function readPostmaster(dataDirectory: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDirectory, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  // Line 1 is the process id, line 4 the port, line 8 the state (src/include/utils/pidfile.h).
  const pid = Number(lines[0]);
  return pid ? { pid, port: Number(lines[3]), state: (lines[7] ?? "").trim() } : undefined;
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

/** Who uses a data directory. */
export interface Ownership {
  /** The server that does. */
  readonly owner?: Postmaster;
  /** Without one: a process that got the id of a server that crashed. */
  readonly stalePid?: number;
}

/**
 * Finds the server that uses that data directory. One that is starting or stopping is given time, and one that is
 * ready a moment: the process it belongs to may just have been killed, which it learns by its guard.
 */
export async function livingOwner(dataDirectory: string, patienceMs = 5_000): Promise<Ownership> {
  let since = Date.now();
  let seen: Postmaster | undefined;
  for (;;) {
    const owner = await readPostmaster(dataDirectory);
    if (!owner || !isAlive(owner.pid)) return {};
    if (owner.pid !== seen?.pid || owner.state !== seen.state) since = Date.now();
    seen = owner;
    if (Date.now() - since > (owner.state === "ready" ? MOMENT_MS : patienceMs)) {
      return (await isFree(owner.port)) ? { stalePid: owner.pid } : { owner };
    }
    await sleep(POLL_MS);
  }
}
