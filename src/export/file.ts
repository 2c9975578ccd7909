/** Where an export goes: a file that appears when it is complete, a device or pipe, or standard output. */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** How to write. */
export interface WriteOptions {
  readonly gzip?: boolean;
  /** Stops in between: nothing is left behind, and the promise rejects with an AbortError. */
  readonly signal?: AbortSignal;
}

/**
 * Writes lines to a file under a temporary name beside it, and renames it when everything is on the disk: whoever finds the file
 * finds all of it. A file that was there before is replaced, also where a link leads to it; a device or pipe takes the lines as they come.
 */
export async function writeFileOf(
  lines: AsyncIterable<string>,
  file: string,
  options: WriteOptions = {},
): Promise<void> {
  const target = await targetOf(file);
  if (target === undefined) {
    await write(lines, createWriteStream(file), options);
    return;
  }
  const part = `${target}.${randomBytes(6).toString("hex")}.part`;
  try {
    await write(lines, createWriteStream(part, { flags: "wx", flush: true }), options);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  // The name is on the disk when the folder is.
  const folder = await open(dirname(target));
  await folder.sync().finally(() => folder.close());
}

/** The file that a name leads to, which need not be there; undefined where it is something else, which must not be replaced. */
async function targetOf(file: string): Promise<string | undefined> {
  const absent = (error: NodeJS.ErrnoException): undefined => {
    if (error.code !== "ENOENT") throw error;
  };
  const found = await stat(file).catch(absent);
  if (found !== undefined) return found.isFile() ? realpath(file) : undefined;
  // A link to nothing yet makes what it names.
  const link = await readlink(file).catch(() => undefined);
  return link === undefined ? file : resolve(dirname(file), link);
}

/** Writes lines to a stream that stays open, no faster than it takes them. */
export function writeTo(lines: AsyncIterable<string>, stream: Writable, options: WriteOptions = {}): Promise<void> {
  return write(lines, stream, options, { end: false });
}

async function write(
  lines: AsyncIterable<string>,
  sink: Writable,
  { gzip = false, signal }: WriteOptions,
  { end = true } = {},
): Promise<void> {
  const source = Readable.from(together(lines));
  const options = { end, ...(signal && { signal }) };
  if (gzip) await pipeline(source, createGzip(), sink, options);
  else await pipeline(source, sink, options);
}

/** Characters of a piece. */
const PIECE = 65_536;

/** Lines are small; streams are quicker with pieces. */
async function* together(lines: AsyncIterable<string>): AsyncGenerator<Buffer, void, undefined> {
  let piece = "";
  for await (const line of lines) {
    piece += line;
    if (piece.length < PIECE) continue;
    yield Buffer.from(piece);
    piece = "";
  }
  if (piece !== "") yield Buffer.from(piece);
}
