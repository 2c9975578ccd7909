/**
 * `npm run serve`: keeps the embedded server of `.agent-ledger` running, to look into it with psql or
 * to work against it by DATABASE_URL. Listens on PORT, else on a port of its own where that is free.
 */
import { Complaint } from "../database/complaint.js";
import { DEFAULT_DIRECTORY, startEmbedded } from "../database/embedded.js";
import { explain } from "../database/explain.js";
import { migrate } from "../database/migrate.js";
import { isFree } from "../database/port.js";
import type { ServerOptions } from "../database/server.js";

const USUAL_PORT = 54329;

/** The port asked for, or the usual one; none, which is any, where the usual one is taken. */
async function choosePort(asked: string | undefined): Promise<ServerOptions> {
  if (!asked) return (await isFree(USUAL_PORT)) ? { port: USUAL_PORT } : {};
  const port = Number(asked);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Complaint(`PORT is not a port: ${asked}`);
  return { port };
}

/** Settles at the first signal to stop. Later ones change nothing: the server is stopping by then. */
function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    // Waiting for a signal keeps no process running; a timer does.
    const timer = setInterval(() => {}, 60_000);
    const stop = (): void => {
      clearInterval(timer);
      resolve();
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
  });
}

async function serve(): Promise<void> {
  const server = await startEmbedded(DEFAULT_DIRECTORY, await choosePort(process.env.PORT));
  const lost = server.ended.then(() => {
    throw new Complaint(`The server ended by itself; ${DEFAULT_DIRECTORY}/data.log says why`);
  });
  try {
    await migrate(server.url, { log: console.log });
    console.log(`\nLook into it:\n  psql '${server.url}'\n`);
    console.log(`Ctrl-C stops it; the data stays in ${DEFAULT_DIRECTORY}; rm -r ${DEFAULT_DIRECTORY} starts over`);
    await Promise.race([untilAsked(), lost]);
  } finally {
    // Our own stop is no loss.
    lost.catch(() => {});
    await server.stop();
  }
}

try {
  await serve();
  console.log("Stopped");
} catch (error) {
  console.error(explain(error) ?? error);
  // At once: the timer would go on where the server was lost.
  process.exit(1);
}
