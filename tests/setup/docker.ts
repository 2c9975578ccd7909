/** A server in a container, where a Docker engine answers. */
import { request } from "node:http";

const IMAGE = "postgres:18";
const PATIENCE_MS = 1_000;

/** Asks the engine that DOCKER_HOST names, or the local one, whether it is there. */
export function dockerAnswers(): Promise<boolean> {
  const host = new URL(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");
  const target = host.protocol === "unix:" ? { socketPath: host.pathname } : { host: host.hostname, port: host.port };
  return new Promise((resolve) => {
    const ping = request({ ...target, path: "/_ping", timeout: PATIENCE_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => resolve(false));
    ping.end();
  });
}

/** Starts the container. */
export async function startContainer(): Promise<{ url: string; stop(): Promise<void> }> {
  const { PostgreSqlContainer } = await import("@testcontainers/postgresql");
  const container = await new PostgreSqlContainer(IMAGE).withCommand(["postgres", "-c", "max_connections=200"]).start();
  return {
    url: container.getConnectionUri(),
    stop: async () => {
      await container.stop();
    },
  };
}
