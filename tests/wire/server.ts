/**
 * A provider on the loopback interface that speaks the formats of OpenAI (chat completions, responses) and Anthropic (messages), each at its
 * own path, with a bill of its own: it says what a test tells it to say, as well or as badly, and keeps every request it got and every
 * answer it charged for.
 */
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { FORMATS, formatAt, type WireFormat } from "./formats.js";
import { type Saying, type WireEvent, wireText } from "./saying.js";

/** A request as it came. */
export interface Received {
  /** From 0. */
  readonly number: number;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Read as JSON; undefined where there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of it
  readonly body: any;
}

/** What the server does with one request. */
export interface Reply {
  /** What the model says, whole or in pieces as the request asks, in the format of its path. */
  readonly says?: Saying;
  /** Sent instead as it is: a text verbatim, else as JSON. */
  readonly body?: unknown;
  /** Sent instead as a stream without event names: each verbatim where it is a text, else as JSON. */
  readonly pieces?: readonly unknown[];
  /** Sent instead as a stream, with event names where given. */
  readonly events?: readonly WireEvent[];
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection is lost before anything is answered. */
  readonly drops?: boolean;
  /** The answer begins when this has resolved. */
  readonly after?: Promise<unknown>;
  /** The answer begins so much later. */
  readonly delayMs?: number;
  /**
   * After so many pieces (a whole answer has two), or so many bytes of the body, the server ends the response, cuts the connection, or says
   * nothing more.
   */
  readonly breaks?: {
    readonly afterPieces?: number;
    readonly afterBytes?: number;
    readonly by: "end" | "cut" | "silence";
  };
  /** What the provider charges for, whatever it reports and whether or not anybody hears it. Default: `says.usage`. */
  readonly bills?: unknown;
}

/** One line of the server's own bill. */
export interface Billed {
  /** The number of the request. */
  readonly request: number;
  readonly id: string;
  readonly usage: unknown;
}

/** A reply that is an error, as the format puts it. */
export function errorReply(
  format: WireFormat,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  [type, message]: readonly [type: string, message: string] = ERRORS[status] ?? ["api_error", "Internal server error"],
): Reply {
  return { status, headers, body: FORMATS[format].error(type, message) };
}

const ERRORS: Readonly<Record<number, readonly [type: string, message: string]>> = {
  400: ["invalid_request_error", "The request is not valid"],
  401: ["authentication_error", "The key is not valid"],
  404: ["not_found_error", "There is no such model"],
  429: ["rate_limit_error", "Too many requests"],
};

/** What it answers: the replies one after the other, or made for each request. */
export type Script = readonly Reply[] | ((request: Received) => Reply | Promise<Reply>);

/** A provider that a test controls. */
export class WireServer {
  /** Every request, in order of arrival. */
  readonly requests: Received[] = [];
  /** Every answer that is charged, written when it begins, before anything of it is sent. */
  readonly bill: Billed[] = [];
  /** Requests whose answer did not go out whole, because either side gave up, by number. */
  readonly abandoned: number[] = [];
  /** What a client of OpenAI takes as base URL; the same after it has stopped, with nobody there. */
  readonly baseURL: string;
  /** The same without the version, as a client of Anthropic takes it. */
  readonly origin: string;
  readonly #server: Server;
  #script: Script;

  private constructor(server: Server, script: Script) {
    this.#script = script;
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.baseURL = `${this.origin}/v1`;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      // What goes wrong here is the test's mistake: it shows as a response that no provider would send.
      this.#answer(request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else response.writeHead(418, { "x-should-retry": "false" }).end(String(error));
      });
    });
  }

  /** Listens on a free port. Asked past the end of its script, it answers 418. */
  static async start(script: Script): Promise<WireServer> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new WireServer(server, script);
  }

  /** Goes on with another script; its first reply is for the next request. */
  follow(script: Script): void {
    this.#script = script;
  }

  /** Ends it, with whatever is under way. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString();
    const { method = "GET", headers } = request;
    const path = new URL(request.url ?? "/", this.origin).pathname;
    const body = text === "" ? undefined : asJson(text);
    const received: Received = { number: this.requests.length, method, path, headers, body };
    this.requests.push(received);
    response.on("close", () => {
      if (!response.writableFinished) this.abandoned.push(received.number);
    });
    const reply = await this.#next(received);
    await reply.after;
    if (reply.delayMs !== undefined) await wait(reply.delayMs);
    if (reply.drops) {
      response.destroy();
      return;
    }
    const id = `gen-${received.number}`;
    const usage = reply.bills ?? reply.says?.usage;
    if (usage !== undefined && usage !== null) this.bill.push({ request: received.number, id, usage });
    await send(response, reply, piecesToSend(reply, received, id));
  }

  async #next(received: Received): Promise<Reply> {
    if (typeof this.#script === "function") return this.#script(received);
    const [reply, ...rest] = this.#script;
    this.#script = rest;
    if (!reply) throw new Error(`request ${received.number} is past the end of the script`);
    return reply;
  }
}

/** What is sent, piece by piece, and as what. */
interface Sending {
  readonly type: string;
  readonly pieces: readonly string[];
}

/** What a body says; the text itself where it is none of JSON (an upload). */
function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function piecesToSend({ says, body, pieces, events }: Reply, received: Received, id: string): Sending {
  const asked = received.body ?? {};
  const head = { id, model: String(asked.model) };
  const format = says && formatAt(received.path);
  if (says && !format) throw new Error(`${received.method} ${received.path} is not offered here`);
  const streamed =
    events ??
    pieces?.map((data) => ({ data })) ??
    (says && asked.stream ? format?.events(says, head, asked) : undefined);
  if (streamed) return { type: "text/event-stream", pieces: streamed.map(wireText) };
  const whole = says ? format?.whole(says, head) : (body ?? {});
  const text = typeof whole === "string" ? whole : JSON.stringify(whole);
  const middle = Math.ceil(text.length / 2);
  return { type: "application/json", pieces: [text.slice(0, middle), text.slice(middle)] };
}

/** Sends what there is, and breaks off where it is told to. */
async function send(
  response: ServerResponse,
  { status = 200, headers, breaks }: Reply,
  sending: Sending,
): Promise<void> {
  response.writeHead(status, { "content-type": sending.type, ...headers });
  response.flushHeaders();
  for (const piece of upTo(sending.pieces.slice(0, breaks?.afterPieces), breaks?.afterBytes)) {
    await new Promise((resolve) => response.write(piece, resolve));
  }
  if (breaks?.by === "cut") response.destroy();
  else if (breaks?.by !== "silence") response.end();
}

/** The first bytes of it. */
function upTo(pieces: readonly string[], bytes = Number.POSITIVE_INFINITY): Buffer[] {
  let left = bytes;
  return pieces.flatMap((piece) => {
    const part = Buffer.from(piece).subarray(0, left);
    left -= part.length;
    return part.length > 0 ? [part] : [];
  });
}
