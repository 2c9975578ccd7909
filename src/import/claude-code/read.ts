/** Streams a session file line by line, so that its size does not matter. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Problems } from "./problems.js";
import { type Line, parseLine } from "./shapes.js";

const NEWLINE = 0x0a;

/** Longer lines are none of a session's, and soon none that a string can hold. */
const LONGEST = 64 * 1024 * 1024;

const BOM = /^\uFEFF/;

/** A well-formed line and its number, from 1. */
export interface NumberedLine {
  readonly number: number;
  readonly line: Line;
}

/**
 * The well-formed lines of a file in order. Torn and foreign ones, an empty and an unreadable file go to `problems`; a file that
 * fails halfway has given what was before.
 */
export async function* readSessionLines(path: string, problems: Problems): AsyncGenerator<NumberedLine> {
  let number = 0;
  let empty = true;
  try {
    // A pipe would keep the import waiting, a device could go on for ever.
    const kind = await stat(path);
    if (!kind.isFile() && !kind.isDirectory()) {
      problems.add("no regular file");
      return;
    }
    for await (const found of textLines(path)) {
      number += 1;
      if (found === undefined) {
        empty = false;
        problems.add(`line too long: more than ${LONGEST / 1024 / 1024} MB`, number);
        continue;
      }
      const text = number === 1 ? found.replace(BOM, "") : found;
      if (text.trim() === "") continue;
      empty = false;
      const parsed = parseLine(text);
      if ("problem" in parsed) problems.add(parsed.problem, number);
      else yield { number, line: parsed };
    }
  } catch (error) {
    if (!isFileError(error)) throw error;
    problems.add(`unreadable file: ${error.code}`);
    return;
  }
  if (empty) problems.add("empty file");
}

/**
 * Splits at line feeds alone. `node:readline` also splits at U+2028 and U+2029, which JSON leaves bare inside of texts, and would
 * tear lines that are whole. Undefined stands for a line that is too long.
 */
async function* textLines(path: string): AsyncGenerator<string | undefined> {
  let rest: Buffer[] = [];
  let length = 0;
  const take = (piece: Buffer): void => {
    length += piece.length;
    if (length <= LONGEST) rest.push(piece);
    else rest = [];
  };
  const whole = (): string | undefined => {
    const text = length <= LONGEST ? Buffer.concat(rest).toString("utf8") : undefined;
    rest = [];
    length = 0;
    return text;
  };
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      yield whole();
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (length > 0) yield whole();
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
