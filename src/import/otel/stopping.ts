/** Stops a server, in bounded time: Node bounds how long a request may be sent only while it listens. */
import type { IncomingMessage, Server } from "node:http";

/** Requests that have come. */
export interface Requests {
  /** Those that are not answered yet; none rejects. */
  readonly underWay: ReadonlySet<Promise<void>>;
  /** Those whose body is still being read. */
  readonly reading: ReadonlySet<IncomingMessage>;
}

/** The part of the time that a body which is still being sent is given. */
const SENDING = 0.1;

/** Takes no more, and resolves when what is under way is answered. What is not by then is cut off: bodies first, at last everything. */
export async function closeWithin(ms: number, server: Server, { underWay, reading }: Requests): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => {
    for (const request of reading) request.destroy();
  }, ms * SENDING);
  let end: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    end = setTimeout(resolve, ms);
  });
  await Promise.race([allOf(underWay), over]);
  clearTimeout(cut);
  clearTimeout(end);
  server.closeAllConnections();
  await closed;
}

async function allOf(underWay: ReadonlySet<Promise<void>>): Promise<void> {
  while (underWay.size > 0) await Promise.all(underWay);
}
