/** Starting the process that owns a shared server, on behalf of a process that wants to use it. */
import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Home } from "./home.js";

/** A host that was started. */
export interface Launched {
  /** Undefined while it runs; 0 where it had nothing to do, or its work is done. */
  exitCode(): number | undefined;
  /** Where in the log it begins to speak, in bytes. */
  readonly logOffset: number;
  /** Tells it to wait for us no longer: we have entered, or gave up. */
  letGo(): void;
}

/** Settings of ours are none of the host's, which outlives us: neither secrets nor PGOPTIONS nor NODE_OPTIONS. */
const INHERITED = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/** Beside this module: compiled, or the source, which needs the loader that runs us. */
function commandLine(): string[] {
  const extension = extname(fileURLToPath(import.meta.url));
  const program = fileURLToPath(new URL(`./host${extension}`, import.meta.url));
  if (extension !== ".ts") return [program];
  // By its place, as the host works in another folder.
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return ["--import", loader, program];
}

/** Starts a host, which lives on without us and does not keep us running. */
export async function launchHost(home: Home): Promise<Launched> {
  const log = await open(home.hostLog, "a", 0o600);
  try {
    const { size: logOffset } = await log.stat();
    const child = spawn(process.execPath, [...commandLine(), home.directory], {
      // A session of its own: a Ctrl-C in the terminal, or its end, is for us.
      detached: true,
      cwd: "/",
      env: Object.fromEntries(INHERITED.map((name) => [name, process.env[name]])),
      stdio: ["pipe", log.fd, log.fd],
    });
    child.unref();
    (child.stdin as Socket).unref();
    let exitCode: number | undefined;
    child.once("exit", (code) => {
      exitCode = code ?? 1;
    });
    child.once("error", () => {
      exitCode = 1;
    });
    return { logOffset, exitCode: () => exitCode, letGo: () => child.stdin?.destroy() };
  } finally {
    await log.close();
  }
}
