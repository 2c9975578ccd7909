/**
 * A program: the process that owns the server that several processes share. It starts the server in the folder named by its
 * argument, and stops it when the last user has left. Its input is a pipe that the process which started it closes when it has
 * entered, and the kernel when that process is killed. What it prints is the folder's `host.log`. Exit code 1 is a failure; where
 * another process runs the server already, there is nothing to do.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { connect } from "./connect.js";
import { type EmbeddedServer, startEmbedded } from "./embedded.js";
import { explain } from "./explain.js";
import { DEFAULT_DIRECTORY, type Home, homeAt } from "./home.js";
import { livingOwner, readPostmaster } from "./postmaster.js";
import { look, reopen } from "./users.js";

const POLL_MS = 300;
/** Time for the end of our input to arrive. */
const MOMENT_MS = 10;
/** How long users may take to come again after a crash that ended their sessions and not Postgres. */
const RETURN_MS = 10_000;

const say = (line: string): void => console.log(`${new Date().toISOString()} ${process.pid}: ${line}`);

/** Whether the process that started this one waits for the server still. */
let isExpected = true;
const letGo = new Promise<void>((resolve) => {
  process.stdin.resume().once("end", () => {
    isExpected = false;
    resolve();
  });
});

async function host(home: Home): Promise<number> {
  // It may have found another server while we came to life: then a start would only disturb.
  await Promise.race([letGo, sleep(MOMENT_MS)]);
  if (!isExpected) return 0;
  let server: EmbeddedServer;
  try {
    server = await startEmbedded(home.directory);
  } catch (error) {
    if ((await livingOwner(home.dataDirectory)).owner) return 0;
    say(explain(error) ?? String((error as Error).stack));
    return 1;
  }
  say(`Postgres ${server.pid} listens on port ${server.port}`);
  let hasEnded = false;
  void server.ended.then(() => {
    hasEnded = true;
  });
  const reason = await untilDone(home, server, () => hasEnded);
  say(hasEnded ? "Postgres ended by itself; data.log says why" : `stopping: ${reason}`);
  await server.stop();
  return 0;
}

/** Waits until there is no reason to go on, and answers why. */
async function untilDone(home: Home, server: EmbeddedServer, hasEnded: () => boolean): Promise<string> {
  let returnsUntil = 0;
  let client: pg.Client | undefined;
  while (!hasEnded()) {
    if ((await readPostmaster(home.dataDirectory))?.pid !== server.pid) return "the folder was moved or removed";
    // Before looking: who is expected closes the pipe after entering.
    const mayStop = !isExpected && Date.now() > returnsUntil;
    try {
      client ??= await connect(server.urlOf("postgres"));
      const occupancy = await look(client);
      if (occupancy === "used") returnsUntil = 0;
      if (occupancy === "deserted") {
        if (mayStop) return "the last user has left";
        await reopen(client);
      }
    } catch {
      // A crash of one session ends all of them, and Postgres goes on: so do we.
      returnsUntil = Date.now() + RETURN_MS;
      await client?.end().catch(() => {});
      client = undefined;
    }
    await Promise.race([server.ended, sleep(POLL_MS)]);
  }
  return "";
}

// At once: the connection that keeps others out while the server stops may be open still.
process.exit(await host(homeAt(process.argv[2] ?? DEFAULT_DIRECTORY)));
