/** Stops a server when the process that started it ends, in whatever way it ends. */
import { type ChildProcess, spawn } from "node:child_process";

/**
 * `cat` returns when the other end of its pipe closes, and the kernel closes it even when our
 * process is killed. SIGINT is Postgres's fast shutdown: sessions are ended, data is safe.
 */
const SCRIPT = 'cat >/dev/null; kill -INT "$1" 2>/dev/null';

/**
 * Watches over the server with that process id. Answers how to call the guard off, which must be
 * done once the server has ended: its id may then become another process's.
 */
export function guard(pid: number): () => void {
  const watcher: ChildProcess = spawn("sh", ["-c", SCRIPT, "agent-ledger-guard", String(pid)], {
    // Not in our process group: a Ctrl-C in the terminal is for us, the guard acts on our end.
    detached: true,
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
  });
  // The guard must not keep us running: our end is what it waits for.
  watcher.unref();
  // Without a shell there is no guard, and no reason to end: an orderly stop does not need it.
  watcher.once("error", () => {});
  (watcher.stdin as unknown as { unref(): void } | null)?.unref();
  return () => {
    watcher.kill("SIGKILL");
  };
}
