/** Which server the suites run against. */
import { dockerAnswers, startContainer } from "./docker.js";
import { startServer } from "./server.js";

/** A server that the whole run shares. */
export interface SharedServer {
  /** Connects the superuser. */
  readonly url: string;
  /** Where it comes from, for the people who read the output. */
  readonly source: string;
  stop(): Promise<void>;
}

/** The server of DATABASE_URL, else one in Docker, else the embedded one. */
export async function provideServer(): Promise<SharedServer> {
  const given = process.env.DATABASE_URL;
  if (given) return { url: given, source: "DATABASE_URL", stop: async () => {} };
  if (await dockerAnswers()) {
    try {
      return { ...(await startContainer()), source: "Docker" };
    } catch (error) {
      console.warn(`Docker answers but starts no container, using the embedded server: ${String(error)}`);
    }
  }
  const server = await startServer({ version: "embedded" });
  return { url: server.urlOf("postgres"), source: "embedded server", stop: server.stop };
}

/** The oldest supported server, from the programs installed on the machine. */
export async function provideOldestServer(): Promise<SharedServer> {
  const server = await startServer({ version: "15" });
  return { url: server.urlOf("postgres"), source: "installed server", stop: server.stop };
}
