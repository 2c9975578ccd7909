/** A tool call of an agent as its trace tells it. Everything of a trace stays in the process; `toolCallsOf` says what of it is booked. */

/** The harnesses whose traces are understood. Kimi writes either Anthropic's form or OpenAI's; Codex emits no structured calls. */
export const HARNESSES = ["opencode", "anthropic", "openai", "kimi", "codex"] as const;

/** Who wrote a trace. */
export type Harness = (typeof HARNESSES)[number];

/** One tool call that has come to an end, or, where its form tells no end, that was asked for. */
export interface ToolSpan {
  readonly name: string;
  /** As the harness has them: parsed where they were JSON text, that text where they could not be. Undefined = not stated. */
  readonly args: unknown;
  /** Left out where the form does not tell, which is not `ok`. */
  readonly status?: "ok" | "error" | undefined;
  /** Milliseconds since 1970: what the harness says, else what the message says, else when it was seen. */
  readonly start: number;
  readonly end: number;
  readonly error?: unknown;
  readonly result?: unknown;
  /** Of the call. Spans of one id are one call; a span without is a call of its own. */
  readonly id?: string | undefined;
}
