/** Reads a file of spans: one export of OTLP in JSON, or lines of them, as the file exporter of the collector writes. */
import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { Complaint } from "../../database/complaint.js";
import { MOST_PROBLEMS } from "./report.js";
import { type Export, readExport, type Span } from "./shapes.js";

/** More is nothing that a string can hold for long. */
const LARGEST = 256 * 1024 * 1024;

const WHAT = "one export of OTLP in JSON (resourceSpans), or a line of JSON for each";

/** The spans of a file, and lines that are none. */
export interface ReadFile extends Export {
  readonly torn: readonly { readonly line: number; readonly problem: string }[];
}

/**
 * Reads it; `-` stands for standard input.
 * @throws {Complaint} where there is no such file, or no export in it.
 */
export async function readSpans(path: string): Promise<ReadFile> {
  const text = (await textOf(path)).replace(/^\uFEFF/, "");
  const whole = jsonOf(text);
  const documents = whole === undefined ? lines(text) : [{ line: 1, document: whole }];
  const spans: Span[] = [];
  const reasons: string[] = [];
  let malformed = 0;
  const torn: ReadFile["torn"][number][] = [];
  let exports = 0;
  for (const { line, document } of documents) {
    if (document === undefined) torn.push({ line, problem: "is no JSON: not taken" });
    else if (!isObject(document)) torn.push({ line, problem: "is no export of OTLP: not taken" });
    else if (isOfSignal(document)) exports += 1;
    else if (!("resourceSpans" in document)) torn.push({ line, problem: "has no resourceSpans: not taken" });
    else {
      const read = readExport(document);
      if ("problem" in read) torn.push({ line, problem: `is no export of OTLP: ${read.problem}` });
      else {
        exports += 1;
        for (const span of read.spans) spans.push(span);
        malformed += read.malformed;
        for (const reason of read.reasons) if (reasons.length < MOST_PROBLEMS) reasons.push(reason);
      }
    }
  }
  if (exports === 0) {
    const [first] = torn;
    throw new Complaint(
      `${path} holds no spans of OTLP${first ? ` (line ${first.line} ${first.problem})` : ""}: it must be ${WHAT}`,
    );
  }
  return { spans, malformed, reasons, torn };
}

function lines(text: string) {
  return text
    .split("\n")
    .map((written, index) => ({ line: index + 1, written: written.trim() }))
    .filter(({ written }) => written !== "")
    .map(({ line, written }) => ({ line, document: jsonOf(written) }));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Other signals may be in the same file. */
function isOfSignal(document: object): boolean {
  return "resourceMetrics" in document || "resourceLogs" in document || "resourceProfiles" in document;
}

async function textOf(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    if (path === "-") bytes = await buffer(bounded(process.stdin));
    else {
      const kind = await stat(path);
      if (!kind.isFile()) throw new Complaint(`${path} is no file: name a file, or - for standard input`);
      if (kind.size > LARGEST) throw tooLarge(path);
      bytes = await readFile(path);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof Complaint || code === undefined) throw error;
    throw new Complaint(`${path} cannot be read (${code}): check its name and who may read it`);
  }
  if (!isUtf8(bytes)) throw new Complaint(`${path} is not UTF-8 text: it must be ${WHAT}`);
  return bytes.toString("utf8");
}

async function* bounded(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > LARGEST) throw tooLarge("standard input");
    yield chunk;
  }
}

function tooLarge(what: string): Complaint {
  return new Complaint(`${what} is larger than ${LARGEST / 1024 / 1024} MB: split it`);
}
