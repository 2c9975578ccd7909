/** What is said of a trace. Names and ids are as the ledger has them: at most 200 characters, the end of a longer one is a digest. */

/** Something found in a trace. There is no time in it: a trace read twice says the same. */
export interface TraceFinding {
  /** Who found it: `repeated-action`, `error-streak`, or the name of a detector of your own. */
  readonly detector: string;
  /** How long the streak was then. */
  readonly streak: number;
  /** The tool of the calls in the streak; left out where they are of several. */
  readonly tool?: string | undefined;
  /** Place in the trace, from 0, of the first call of the streak. */
  readonly first: number;
  /** The same of the call at which it was found, and its id where it has one. */
  readonly position: number;
  readonly id?: string | undefined;
}

/** How often a tool was called, and how that ended. */
export interface ToolCounts {
  readonly calls: number;
  readonly errors: number;
  /** Calls of which nobody said how they ended. */
  readonly unknown: number;
}

/** What a trace told. `unavailable`: it tells nothing of tools, as every trace of Codex, or nothing that could be read. That is not 0. */
export interface TraceReport {
  readonly calls: number | "unavailable";
  /** By name, in the order in which they were first called. */
  readonly tools: readonly (ToolCounts & { readonly tool: string })[] | "unavailable";
  readonly findings: readonly TraceFinding[] | "unavailable";
  /** How often a call was seen in a form that could not be read: such calls are in no count. */
  readonly unread: number;
  /** Spans that were pushed before, and were not kept until this began: they are in no count. */
  readonly missed: number;
  /** What an endless trace has beyond 1,000 tools and 10,000 findings, in sum. */
  readonly beyond: { readonly tools: ToolCounts; readonly findings: number };
}
