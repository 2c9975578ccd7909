/** The README, taken apart. */
import { readFileSync } from "node:fs";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** The fenced blocks of one language, in order; "" = those that name none. */
export function readmeBlocks(language: string): string[] {
  const found = readme.matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return [...found].filter(([, named]) => named === language).map(([, , text = ""]) => text);
}

/** The statements of its SQL, so that each is sent alone: a call that commits cannot share a message. */
export function readmeStatements(): string[] {
  return readmeBlocks("sql").flatMap((block) => block.split(/;\n/).filter((text) => text.trim() !== ""));
}
