/** Answers of providers in their own words, and what is to be read out of them, worked by hand. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readStream, reportOf } from "../../src/usage/report.js";
import type { CallReport, UsageFormat } from "../../src/usage/usage.js";

/** One file of `golden/`. */
export interface Golden {
  readonly name: string;
  readonly format: UsageFormat;
  readonly body?: unknown;
  readonly chunks?: readonly unknown[];
  readonly expected: CallReport;
}

const FOLDER = new URL("golden/", import.meta.url);

/** All of them, by name. */
export const GOLDEN: readonly Golden[] = readdirSync(fileURLToPath(FOLDER))
  .sort()
  .map((file) => ({
    name: file.replace(".json", ""),
    ...(JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Omit<Golden, "name">),
  }));

/** What is read out of one. */
export function readGolden({ format, body, chunks }: Golden): CallReport {
  if (!chunks) return reportOf(format, body);
  const reading = readStream(format);
  for (const chunk of chunks) reading.add(chunk);
  return reading.report();
}

/** What is known after each event, and before the first. */
export function readChunks(format: UsageFormat, chunks: readonly unknown[]): CallReport[] {
  const reading = readStream(format);
  return [reading.report()].concat(
    chunks.map((chunk) => {
      reading.add(chunk);
      return reading.report();
    }),
  );
}
