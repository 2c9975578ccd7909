/** What a model says, whichever wire format carries it. */

/** A tool call of the model. */
export interface SaidCall {
  readonly id?: string;
  readonly name: string;
  /** The text itself, or what it stands for. */
  readonly arguments?: unknown;
}

/** What the model says, and what the endpoint says of it. */
export interface Saying {
  /** What it thought before, where the format tells. */
  readonly thinks?: string;
  readonly text?: string | null;
  readonly toolCalls?: readonly SaidCall[];
  /** Why it ended, in the format's own word. Default: that of tools where some are called, else that of an end of its own. */
  readonly finish?: string | null;
  /** The usage object as it goes over the wire; left out = none. Each format has a function that makes one. */
  readonly usage?: unknown;
  readonly model?: string;
  /** The router's word for who answered. */
  readonly provider?: string;
}

/** What goes before every answer. */
export interface Head {
  readonly id: string;
  readonly model: string;
}

/** One event of a stream: its name where the format gives one, and what it carries. A text is sent verbatim. */
export interface WireEvent {
  readonly event?: string;
  readonly data: unknown;
}

/** An event as it goes over the wire. */
export function wireText({ event, data }: WireEvent): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}

/** A text in the two pieces in which it is streamed; no pieces of none. */
export function halves(text: string): string[] {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)].filter((half) => half !== "");
}

/** The arguments of a call as text. */
export function argumentsOf({ arguments: written = {} }: SaidCall): string {
  return typeof written === "string" ? written : JSON.stringify(written);
}
