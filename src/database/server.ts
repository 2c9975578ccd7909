/** Running a cluster: the server is a child process that never outlives the process that started it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { launchAs, serverAccount } from "./account.js";
import { type Cluster, SERVER_ENVIRONMENT } from "./cluster.js";
import { Complaint } from "./complaint.js";
import { guard } from "./guard.js";
import { freePort, isFree, LOOPBACK } from "./port.js";
import { untilReady } from "./postmaster.js";

/** How to run a cluster. */
export interface ServerOptions {
  /** Fixed port; without it one that is free is found at every start. */
  readonly port?: number;
  /** The port to take without a fixed one, where it is free. */
  readonly preferredPort?: number | undefined;
  /** A process that has the id of a server of this cluster that crashed, and is none. */
  readonly stalePid?: number | undefined;
  /** Settings that differ from the defaults of Postgres. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** A server that accepts connections. */
export interface RunningServer {
  readonly port: number;
  readonly pid: number;
  /** Settles when the server process has ended. */
  readonly ended: Promise<void>;
  /** Ends all sessions and stops in good order; only waits when the server is ending already. */
  stop(): Promise<void>;
}

/** Starts the cluster on the loopback interface and waits until it accepts connections. */
export async function startServer(cluster: Cluster, options: ServerOptions = {}): Promise<RunningServer> {
  const { preferredPort } = options;
  const isPreferred = preferredPort !== undefined && (await isFree(preferredPort));
  const port = options.port ?? (isPreferred ? preferredPort : await freePort());
  const server = await launch(cluster, { ...options, port });
  try {
    await untilReady(cluster.dataDirectory, server);
    return server;
  } catch (error) {
    await server.stop();
    // Between finding the free port and binding it, somebody else may have taken it.
    if (options.port === undefined && !(await isFree(port))) return startServer(cluster, options);
    throw new Complaint(`Postgres did not start:\n${await lastLines(logFile(cluster))}`, { cause: error });
  }
}

/** Where a cluster's server logs. */
export function logFile({ dataDirectory }: Pick<Cluster, "dataDirectory">): string {
  return `${dataDirectory}.log`;
}

/** The end of a log, from that byte on; empty where there is none. */
export async function lastLines(file: string, from = 0): Promise<string> {
  const text = await readFile(file).catch(() => Buffer.alloc(0));
  return text.subarray(from).toString().trimEnd().split("\n").slice(-10).join("\n");
}

async function launch(cluster: Cluster, options: ServerOptions & { port: number }): Promise<RunningServer> {
  const { binaries, dataDirectory } = cluster;
  // No socket file: its path may be too long, and every client of ours speaks TCP anyway.
  const settings = { listen_addresses: LOOPBACK, port: options.port, unix_socket_directories: "", ...options.settings };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const args = ["-D", dataDirectory, ...flags];
  const account = await serverAccount(dataDirectory);
  const { program, args: all, as } = await launchAs(account, binaries.postgres, args, [dataDirectory]);
  // Postgres would take that process for the server it was; it only disregards a parent of its own parent.
  const disregarded = options.stalePid ? { PG_GRANDPARENT_PID: String(options.stalePid) } : {};
  const log = await open(logFile(cluster), "a", 0o600);
  const child = spawn(program, all, {
    ...as,
    // Not in our process group: a Ctrl-C in the terminal must not take the server from under us.
    detached: true,
    cwd: "/",
    env: { ...SERVER_ENVIRONMENT, ...disregarded },
    stdio: ["ignore", log.fd, log.fd],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await Promise.all([once(child, "spawn"), log.close()]);
  // A forgotten server keeps nobody running: when we end, the guard stops it.
  child.unref();
  const callOff = guard(child.pid as number);
  void ended.then(callOff);
  const stop = async (): Promise<void> => {
    child.ref();
    child.kill("SIGINT");
    await ended;
  };
  return { port: options.port, pid: child.pid as number, ended, stop };
}
