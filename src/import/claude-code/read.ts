/** Streams a session file line by line, so that its size does not matter. */
import { createReadStream } from "node:fs";
import type { Problems } from "./problems.js";
import { type Line, parseLine } from "./shapes.js";

const NEWLINE = 0x0a;

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
    for await (const text of textLines(path)) {
      number += 1;
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
 * tear lines that are whole.
 */
async function* textLines(path: string): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)]).toString("utf8");
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString("utf8");
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
