/** The server on standard input and output, until its client goes. Standard output carries the protocol and nothing else. */
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/sdk/types.js";
import { Complaint } from "../database/complaint.js";

/** How long calls that are under way when the input ends may take: a database that hangs must not keep the process. */
const LAST_CALLS_MS = 10_000;

/** How it is served. */
export interface StdioOptions {
  /** Ends it at once. */
  readonly signal: AbortSignal;
  /** What went wrong on the way, such as a line that is no message; the server goes on. */
  readonly onError: (error: Error) => void;
}

/**
 * Serves until the input ends and every request in it is answered, or it is told to stop. Calls that are under way then are broken off.
 * @throws {Complaint} where the transport gave up (a message above its 10 MB), or the last calls took too long.
 */
export async function serveStdio(server: McpServer, { signal, onError }: StdioOptions): Promise<void> {
  const { StdioServerTransport } = await import("@modelcontextprotocol/sdk/server/stdio.js");
  const transport = new StdioServerTransport();
  const waiting = new Set<RequestId>();
  let inputEnded = false;
  let lastCalls: NodeJS.Timeout | undefined;
  let end = (): void => {};
  let fail = (_: Complaint): void => {};
  const ended = new Promise<void>((resolve, reject) => {
    [end, fail] = [resolve, reject];
  });
  const endWhenDone = (): void => {
    if (inputEnded && waiting.size === 0) end();
  };
  const onInputEnd = (): void => {
    inputEnded = true;
    lastCalls ??= setTimeout(() => fail(new Complaint(unanswered(waiting.size))), LAST_CALLS_MS);
    endWhenDone();
  };
  server.server.onerror = onError;
  server.server.onclose = () => fail(new Complaint("The connection was given up: a message in its input was too long"));
  await server.connect(transport);
  const receive = transport.onmessage;
  transport.onmessage = (message: JSONRPCMessage) => {
    if ("method" in message && "id" in message) waiting.add(message.id);
    // What was cancelled is not answered.
    if ("method" in message && message.method === "notifications/cancelled") waiting.delete(cancelledBy(message));
    receive?.(message);
  };
  const send = transport.send.bind(transport);
  transport.send = async (message) => {
    await send(message);
    if (!("method" in message) && message.id !== undefined) waiting.delete(message.id);
    endWhenDone();
  };
  process.stdin.once("end", onInputEnd).once("close", onInputEnd);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    await ended;
  } finally {
    clearTimeout(lastCalls);
    process.stdin.off("end", onInputEnd).off("close", onInputEnd);
    signal.removeEventListener("abort", end);
    await server.close();
  }
}

const unanswered = (calls: number): string =>
  `The input ended ${LAST_CALLS_MS / 1000} s ago and ${calls} call(s) are not answered: the database is busy, or hangs`;

function cancelledBy({ params }: { readonly params?: Readonly<Record<string, unknown>> | undefined }): RequestId {
  return params?.requestId as RequestId;
}
