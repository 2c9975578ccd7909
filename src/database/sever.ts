/** Breaking a connection off in the middle of a query. */
import { connect } from "node:net";
import type pg from "pg";

/** The code of a CancelRequest, and its length in bytes (PostgreSQL, Frontend/Backend Protocol, Message Formats). */
const CANCEL_REQUEST = 80_877_102;
const LENGTH = 16;

/** The server answers a CancelRequest by closing the connection it came on. */
const PATIENCE_MS = 2_000;

/** What the server said by which the query of a connection is cancelled; `pg` keeps it and does not declare it. */
interface BackendKey {
  readonly processID?: number | null;
  readonly secretKey?: number | null;
}

/**
 * Ends a connection whatever it waits for: its query fails at once, and the server is asked to give the query up, which it would otherwise
 * go on with although nobody hears the answer. Best effort, and
 * in the clear, as the protocol has it: nothing is said where that cannot be asked.
 */
export function sever(client: pg.ClientBase & Partial<Pick<pg.Client, "host" | "port" | "end">> & BackendKey): void {
  const { host, port, processID, secretKey } = client;
  if (host && port && processID != null && secretKey != null) {
    const request = Buffer.alloc(LENGTH);
    [LENGTH, CANCEL_REQUEST, processID, secretKey].forEach((word, at) => {
      request.writeInt32BE(word, at * 4);
    });
    const socket = connect(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
    socket.on("error", () => {}).setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.resume().end(request);
  }
  // Of a connection with a query under way, `pg` destroys the socket.
  client.end?.().catch(() => {});
}
