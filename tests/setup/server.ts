/** Servers a test may do anything to: kill them, restart them, fill their disk. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binaries, embeddedBinaries, installedBinaries } from "../../src/database/binaries.js";
import { type EmbeddedServer, startEmbedded } from "../../src/database/embedded.js";
import { cutPower } from "./power-cut.js";

/** `embedded` is the release that comes with the package, `15` the oldest one supported. */
export type ServerVersion = "embedded" | "15";

/** Defaults of Postgres otherwise; above all, fsync stays on. */
const SETTINGS = { max_connections: 200 };

/** A server of one test. */
export interface TestServer {
  /** Connects the superuser to the database `agent_ledger`; the same after a restart. */
  readonly url: string;
  /** The same for another database. */
  urlOf(database: string): string;
  readonly port: number;
  /** Process id of the server now running. */
  pid(): number;
  /** Ends the server and every session's process at once, as a power cut would. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data, after stopping it if it runs. */
  restart(): Promise<void>;
  /** Stops it, and removes its data if `dir` was not given. */
  stop(): Promise<void>;
}

/** Starts a server of its own in `dir`, or in a temporary folder. */
export async function startServer(options: { version: ServerVersion; dir?: string }): Promise<TestServer> {
  const binaries = await binariesOf(options.version);
  const dir = options.dir ?? (await temporaryFolder());
  const removeData = async (): Promise<void> => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
  };
  let running: EmbeddedServer = await startEmbedded(dir, { binaries, settings: SETTINGS }).catch(async (error) => {
    await removeData();
    throw error;
  });
  const { url, urlOf, port } = running;
  return {
    url,
    urlOf,
    port,
    pid: () => running.pid,
    async kill9() {
      await cutPower(running.pid);
      await running.ended;
    },
    async restart() {
      await running.stop();
      running = await startEmbedded(dir, { binaries, settings: SETTINGS, port });
    },
    async stop() {
      await running.stop();
      await removeData();
    },
  };
}

async function binariesOf(version: ServerVersion): Promise<Binaries> {
  const binaries = version === "embedded" ? await embeddedBinaries() : await installedBinaries(15);
  if (!binaries) throw new Error("PostgreSQL 15 is not installed on this machine");
  return binaries;
}

async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "agent-ledger-"));
  // The server may run as another account, which must be able to enter.
  await chmod(dir, 0o755);
  return dir;
}
