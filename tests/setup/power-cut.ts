import { readFile } from "node:fs/promises";

/**
 * Kills a server and its children in one go. Killing the server alone would let the sessions'
 * processes finish what they are doing before they notice.
 */
export async function cutPower(pid: number): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  for (const id of [pid, ...children.split(" ").filter(Boolean).map(Number)]) {
    try {
      process.kill(id, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}
