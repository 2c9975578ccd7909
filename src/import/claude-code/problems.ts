/** What an import met and could not use. It is told, and costs nothing else. */

/** One finding: the file relative to the folder imported, the line from 1 where it is about one. */
export interface Problem {
  readonly file: string;
  readonly line?: number;
  readonly problem: string;
}

/** A file of rubbish must not make a report of the same size. */
const PER_FILE = 200;

/** Collects findings of one file. */
export class Problems {
  private readonly found: Problem[] = [];
  private readonly said = new Set<string>();
  private left = 0;

  constructor(readonly file: string) {}

  add(problem: string, line?: number): void {
    if (this.found.length >= PER_FILE) this.left += 1;
    else this.found.push({ file: this.file, ...(line === undefined ? {} : { line }), problem });
  }

  /** Adds what need be said once per file, with the first line it is true of. */
  once(problem: string, line?: number): void {
    if (this.said.has(problem)) return;
    this.said.add(problem);
    this.add(problem, line);
  }

  list(): Problem[] {
    if (this.left === 0) return this.found;
    return [...this.found, { file: this.file, problem: `${this.left} more problems of this file are not listed` }];
  }
}
