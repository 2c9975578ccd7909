/** Reads a file of results whole and checks all of it, so that nothing is written of a file with a mistake. */
import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { Complaint } from "../../database/complaint.js";
import type { Problem } from "./report.js";
import { type Line, parseLine } from "./shapes.js";

/** A line and its number in the file, from 1. */
export interface ReadLine {
  readonly number: number;
  readonly line: Line;
}

/** More is no file of results, and soon none that a string can hold. */
const LARGEST = 256 * 1024 * 1024;

const BOM = /^\uFEFF/;

/** What a file holds: how many lines are not blank, those that can be read, and what is wrong with any. */
export interface ReadFile {
  readonly written: number;
  readonly lines: ReadLine[];
  readonly problems: Problem[];
}

/**
 * The lines of a file in order, and what is wrong with any of them. Blank lines have a number and say nothing.
 * @throws {Complaint} where there is no such file, or it is none of UTF-8 text.
 */
export async function readLines(path: string): Promise<ReadFile> {
  const lines: ReadLine[] = [];
  const problems: Problem[] = [];
  const places = new Map<string, number>();
  let written = 0;
  for (const [index, text] of (await textOf(path)).replace(BOM, "").split("\n").entries()) {
    if (text.trim() === "") continue;
    written += 1;
    const number = index + 1;
    const line = parseLine(text, number);
    if (isProblems(line)) {
      problems.push(...line);
      continue;
    }
    const key = keyOf(line);
    const first = places.get(key);
    if (first === undefined) places.set(key, number);
    else {
      const what = "its experiment, arm, task and replicate";
      problems.push({
        line: number,
        problem: `has ${what} in common with line ${first}: remove one, or give each a replicate of its own`,
      });
    }
    lines.push({ number, line });
  }
  if (written === 0) problems.push({ problem: "the file has no line: there is nothing to import" });
  return { written, lines, problems };
}

/** What makes two lines the same run. */
export function keyOf({ experiment, arm, task, replicate }: Line): string {
  return JSON.stringify([experiment, arm, task, replicate ?? null]);
}

async function textOf(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    // A pipe would keep the import waiting, a device could go on for ever.
    const kind = await stat(path);
    if (!kind.isFile()) throw new Complaint(`${path} is no file: name a file of JSON lines`);
    if (kind.size > LARGEST)
      throw new Complaint(`${path} is larger than ${LARGEST / 1024 / 1024} MB: split it by lines`);
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof Complaint) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new Complaint(`${path} cannot be read (${code}): check its name and who may read it`);
  }
  // Names that were cut or misread would meet other names.
  if (!isUtf8(bytes)) throw new Complaint(`${path} is not UTF-8 text: save it as UTF-8`);
  return bytes.toString("utf8");
}

function isProblems(line: Line | readonly Problem[]): line is readonly Problem[] {
  return Array.isArray(line);
}
