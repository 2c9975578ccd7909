/** The piece that tells the usage of a stream is taken out of its bytes, however they come, and nothing else is. */
import { expect, it } from "vitest";
import { usagePiecesOut } from "../../src/clients/usage-piece.js";
import { RECORDINGS, recordedTexts } from "../wire/recordings.js";

const RECORDING = RECORDINGS.find(({ format }) => format === "openai-chat");
const TEXTS = RECORDING ? [": a comment\n\n", ...recordedTexts(RECORDING)] : [];
const IS_USAGE = /"choices":\[\].*"usage":\{"/;
const PIECES = [
  ...TEXTS,
  // A usage beside a choice, a piece with neither, and one that no JSON is.
  'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n',
  'data: {"choices":[],"usage":null}\n\n',
  'data: {"choices":[],"usage":{\n\n',
];

/** What comes out of it, sent in pieces of so many bytes. */
function through(bytes: Uint8Array, size: number): string {
  const filter = usagePiecesOut();
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += size) out.push(Buffer.from(filter.add(bytes.subarray(at, at + size))));
  return Buffer.concat([...out, filter.rest()]).toString();
}

it.each(["\n", "\r\n", "\r"])("line ends %j, in pieces of every size, cut anywhere", (end) => {
  const wire = (texts: readonly string[]): string => texts.join("").replaceAll("\n", end);
  const all = Buffer.from(wire(PIECES));
  const rest = wire(PIECES.filter((text) => !IS_USAGE.test(text)));
  expect(rest.length).toBeLessThan(all.toString().length);
  for (const size of [1, 2, 3, 5, 7, 64, 1_000, all.byteLength]) expect(through(all, size)).toBe(rest);
  // Where the piece begins, and where it is whole but for its end.
  const index = PIECES.findIndex((text) => IS_USAGE.test(text));
  const begins = Buffer.byteLength(wire(PIECES.slice(0, index)));
  const isWhole = begins + Buffer.byteLength(wire([PIECES[index] ?? ""])) - 2 * end.length;
  for (let cut = 0; cut <= all.byteLength; cut += 1) {
    const given = through(all.subarray(0, cut), all.byteLength);
    if (cut < isWhole) expect(given).toBe(all.subarray(0, cut).toString());
    else expect(rest.slice(0, given.length)).toBe(given);
  }
});

it("gives the line end of an event with it, and takes that of the piece out with it, wherever the bytes are cut", () => {
  const filter = usagePiecesOut();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const usage = 'data: {"choices":[],"usage":{}}\r\n\r\n';
  expect(text(filter.add(Buffer.from("data: 1\r\n\r\n")))).toBe("data: 1\r\n\r\n");
  expect(text(filter.add(Buffer.from(usage.slice(0, -1))))).toBe("");
  expect(text(filter.add(Buffer.from("\n")))).toBe("");
  expect(text(filter.add(Buffer.from(`data: 2\r\n\r\n${usage}`)))).toBe("data: 2\r\n\r\n");
  expect(text(filter.rest())).toBe("");
});

it("gives bytes on a buffer of their own, which a program may hand on whole", () => {
  const filter = usagePiecesOut();
  const given = [filter.add(Buffer.from("data: 1\n\ndata: 2")), filter.rest()];
  for (const bytes of given) {
    expect(bytes.constructor).toBe(Uint8Array);
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
    expect(bytes.byteLength).toBeGreaterThan(0);
  }
});

it("an event too long to be that piece is not kept back", () => {
  const filter = usagePiecesOut();
  const long = `data: {"usage":{},"choices":[],"x":"${"a".repeat(100_000)}`;
  expect(Buffer.from(filter.add(Buffer.from(long))).toString()).toBe(long);
  expect(Buffer.from(filter.add(Buffer.from('"}\n\ndata: 1\n\n'))).toString()).toBe('"}\n\ndata: 1\n\n');
});
