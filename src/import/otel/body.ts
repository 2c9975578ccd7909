/** The body of a request, unpacked and bounded, as JSON. */
import type { IncomingMessage } from "node:http";
import { createGunzip, type Gunzip } from "node:zlib";
import { Refused } from "./refusal.js";

/** Bytes of a body, unpacked. Exporters send 512 spans at a time. */
export const LARGEST_BODY = 16 * 1024 * 1024;

/** Exporters of most languages send protobuf alone; a collector makes JSON of it. */
const JSON_ONLY =
  "send application/json (JavaScript: OTEL_EXPORTER_OTLP_PROTOCOL=http/json; others: a collector's otlphttp exporter with encoding: json)";

/**
 * Reads it.
 * @throws {Refused} 415, 413 or 400.
 */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const { "content-type": type = "", "content-encoding": named = "identity" } = request.headers;
  const packing = named.toLowerCase();
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new Refused(415, `${type || "no content type"}: ${JSON_ONLY}`);
  }
  if (packing !== "identity" && packing !== "gzip")
    throw new Refused(415, `${packing}: send it plain, or packed with gzip`);
  const text = await textOf(request, packing === "gzip");
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(400, "the body is no JSON");
  }
}

async function textOf(request: IncomingMessage, packed: boolean): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // A refusal is answered on the same connection, so the request is not destroyed with it.
    for await (const chunk of packed ? unpacked(request) : request.iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > LARGEST_BODY) throw new Refused(413, `more than ${LARGEST_BODY} bytes: send fewer spans at a time`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(400, packed ? "the body is not packed with gzip, or torn" : "the body is torn");
  }
  return Buffer.concat(chunks).toString("utf8");
}

function unpacked(request: IncomingMessage): Gunzip {
  const gunzip = createGunzip();
  // A pipe does not tell that its source was torn.
  request.once("close", () => {
    if (!request.complete) gunzip.destroy(new Error("torn"));
  });
  return request.pipe(gunzip);
}
