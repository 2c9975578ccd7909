/**
 * Receives spans as exporters send them: OTLP over HTTP, in JSON. A batch is answered when it is booked, so that one that could not be is sent
 * again; one that was booked and is sent again changes nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { guarded } from "../../otel/guarded.js";
import { readBody } from "./body.js";
import type { Importing } from "./import.js";
import { Ingest, type Where } from "./ingest.js";
import { Refused, refusalOf } from "./refusal.js";
import type { IngestReport } from "./report.js";
import { holdsMore, readExport } from "./shapes.js";
import { closeWithin } from "./stopping.js";
import { checkWhere } from "./where.js";

/** How to receive. */
export interface ReceiverOptions extends Where {
  /** Default: 127.0.0.1, which only programs of this machine reach. */
  readonly host?: string;
  /** Default: 4318, the usual one; 0 = any that is free. */
  readonly port?: number;
  /** Hears what became of each batch. What a listener throws changes no answer. */
  readonly onBatch?: (report: IngestReport) => void;
  /** Hears why a batch could not be booked. */
  readonly onError?: (error: unknown) => void;
  /** Milliseconds that stopping takes at most; a body that is still being sent is cut after a tenth of them. Default: 30,000. */
  readonly stopMs?: number;
}

/** A receiver at work. */
export interface Receiver {
  /** Where exporters send to. */
  readonly url: string;
  /** Takes no more, answers what is under way, and resolves when that is done, after `stopMs` in any case. */
  close(): Promise<void>;
}

const PATH = "/v1/traces";

/** Batches booked at a time; who comes then is asked to come again. */
const MOST_BOOKED = 16;

/** Bodies read at a time. Slow clients take these places, and not those where batches are booked. */
const MOST_READ = 64;

/** Resources, scopes and spans of a batch: they are looked at without a pause. Exporters send 512 spans, collectors 8,192. */
const MOST_PARTS = 10_000;

/** How long a client may take to send a batch. */
const SENDING_MS = 30_000;

const STOP_MS = 30_000;

/** Seconds after which to come again. */
const AGAIN_S = 5;

/**
 * Starts to receive.
 * @throws {Complaint} where there is no such pool; what listening throws.
 */
export async function receiveOtel(ledger: Importing, options: ReceiverOptions = {}): Promise<Receiver> {
  const { host = "127.0.0.1", port = 4318, onBatch, onError, stopMs = STOP_MS, ...where } = options;
  await checkWhere(ledger, where);
  const ingest = new Ingest(ledger, where);
  const underWay = new Set<Promise<void>>();
  const reading = places(MOST_READ);
  const booking = places(MOST_BOOKED);
  const server = createServer((request, response) => {
    const work: Promise<void> = answer(request, response)
      .catch(() => {
        response.destroy();
      })
      .finally(() => underWay.delete(work));
    underWay.add(work);
  });
  server.requestTimeout = SENDING_MS;
  const book = async (document: unknown): Promise<IngestReport> => {
    if (holdsMore(document, MOST_PARTS))
      throw new Refused(413, `more than ${MOST_PARTS} resources, scopes and spans: send smaller batches`);
    const read = readExport(document);
    if ("problem" in read) throw new Refused(400, `no export of OTLP: ${read.problem}`);
    return await ingest.book(read);
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      check(request);
      const document = await reading.within(request, () => readBody(request));
      const report = await booking.within(request, () => book(document));
      guarded(() => onBatch?.(report));
      send(response, 200, answerOf(report));
    } catch (error) {
      const { status, message } = refusalOf(error);
      if (!(error instanceof Refused)) guarded(() => onError?.(error));
      // What was not read of the body is not waited for.
      if (!request.complete) response.setHeader("connection", "close");
      if (status === 503) response.setHeader("retry-after", AGAIN_S);
      send(response, status, { message });
    }
  };
  await listen(server, host, port);
  return { url: urlOf(server), close: () => closeWithin(stopMs, server, { underWay, reading: reading.taken }) };
}

/** Pages in a browser are not meant to write here, whatever a name resolves to for them. */
function check({ method, url = "", headers }: IncomingMessage): void {
  const [path] = url.split("?", 1);
  if (path !== PATH) throw new Refused(404, `only traces are received, at ${PATH}`);
  if (method !== "POST") throw new Refused(405, "send POST");
  if (headers.origin !== undefined) throw new Refused(403, "not for web pages");
}

/** So many at a time; more are refused. */
function places(most: number) {
  const taken = new Set<IncomingMessage>();
  return {
    taken,
    async within<T>(request: IncomingMessage, work: () => Promise<T>): Promise<T> {
      if (taken.size >= most) throw new Refused(503, "busy");
      taken.add(request);
      try {
        return await work();
      } finally {
        taken.delete(request);
      }
    },
  };
}

/** Spans that were not taken, with the first reasons. */
function answerOf({ rejected, problems }: IngestReport): object {
  if (rejected === 0) return {};
  const reasons = problems.slice(0, 5).map(({ span, problem }) => [span, problem].filter(Boolean).join(" "));
  return { partialSuccess: { rejectedSpans: String(rejected), errorMessage: reasons.join("; ") } };
}

function send(response: ServerResponse, status: number, document: object): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(document));
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}${PATH}`;
}
