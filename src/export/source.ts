/** The lines of a file as bytes, one at a time; a gzipped file is unpacked on the way. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";

/** A line without its line break, and whether it had one. */
export interface ByteLine {
  readonly bytes: Buffer;
  readonly ended: boolean;
}

const LINE_BREAK = 10;

/** Reads a file line by line. Throws what the file system says, or zlib of a damaged archive. */
export async function* linesOf(file: string): AsyncGenerator<ByteLine, void, undefined> {
  const input = (await isGzip(file))
    ? // Errors reach whoever reads the end of the pipeline.
      pipeline(createReadStream(file), createGunzip(), () => {})
    : createReadStream(file);
  let parts: Buffer[] = [];
  for await (const chunk of input as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_BREAK); at >= 0; at = chunk.indexOf(LINE_BREAK, from)) {
      const last = chunk.subarray(from, at);
      yield { bytes: parts.length === 0 ? last : Buffer.concat([...parts, last]), ended: true };
      parts = [];
      from = at + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (parts.length > 0) yield { bytes: Buffer.concat(parts), ended: false };
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b;
  } finally {
    await handle.close();
  }
}
