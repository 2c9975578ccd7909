/** The server the benchmark runs on: that of a URL, or else an embedded one that is gone afterwards. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbedded } from "../../src/database/embedded.js";

/** A server, and how to leave it. */
export interface Server {
  /** Connects its superuser. */
  readonly url: string;
  stop(): Promise<void>;
}

/** The URL of another database of the same server, or as another login. */
export function urlOf(server: string, database: string, login?: { user: string; password: string }): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (login) Object.assign(url, { username: login.user, password: login.password });
  return url.href;
}

/** The server at that URL, as it is; else an embedded one with these settings, the rest as Postgres has it. */
export async function provideServer(
  given: string | undefined,
  settings: Readonly<Record<string, string | number>>,
): Promise<Server> {
  if (given) return { url: given, stop: async () => {} };
  const directory = await mkdtemp(join(tmpdir(), "agent-ledger-bench-"));
  // The server may run as another account, which must be able to enter.
  await chmod(directory, 0o755);
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const server = await startEmbedded(directory, { settings }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await remove();
  };
  return { url: server.urlOf("postgres"), stop };
}
