/** The README, taken apart. */
import { readFileSync } from "node:fs";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** The fenced blocks of one language, in order; "" = those that name none. */
export function readmeBlocks(language: string, text = readme): string[] {
  const found = text.matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return [...found].filter(([, named]) => named === language).map(([, , block = ""]) => block);
}

/** The statements of its SQL, so that each is sent alone: a call that commits cannot share a message. */
export function readmeStatements(): string[] {
  return readmeBlocks("sql").flatMap(statementsOf);
}

/** What a block of SQL consists of. */
export function statementsOf(block: string): string[] {
  return block.split(/;\n/).filter((text) => text.trim() !== "");
}

/** The program of supervised agents, and the lines that it prints. */
export function readmeProgram(): { readonly source: string; readonly prints: string[] } {
  const [source = ""] = readmeBlocks("typescript");
  const after = readme.slice(readme.indexOf(source) + source.length).replace("```\n", "");
  const [prints = ""] = readmeBlocks("", after);
  return { source, prints: prints.trimEnd().split("\n") };
}

/** One of the fifteen questions: its number, the English line, and the SQL that answers it. */
export interface Question {
  readonly number: number;
  readonly text: string;
  readonly statements: readonly string[];
}

const QUESTIONS = "### Fifteen questions\n";
const AFTER_QUESTIONS = "\n## Operations\n";

/** The questions, in order. */
export function readmeQuestions(): Question[] {
  const [, section = ""] = readme.split(QUESTIONS);
  const [questions = ""] = section.split(AFTER_QUESTIONS);
  const found = questions.matchAll(/^\*\*(\d+)\. ([^\n]*?)\*\*.*?^```sql\n(.*?)^```$/gms);
  return [...found].map(([, number, text = "", block = ""]) => {
    return { number: Number(number), text, statements: statementsOf(block) };
  });
}

/** The SQL that comes before the questions: what they are asked about. */
export function readmeExamples(): string[] {
  const [before = ""] = readme.split(QUESTIONS);
  return readmeBlocks("sql", before).flatMap(statementsOf);
}
