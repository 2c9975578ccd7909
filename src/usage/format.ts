/** What a format of usage must be able to say. */
import type { Told } from "./rule.js";
import type { ToolPieces } from "./tool-pieces.js";

/** What is known of the counts of one call. */
export interface Format<Wire extends object> {
  /** The usage object as it is looked at; undefined where it is none. */
  readonly usage: (usage: unknown) => Wire | undefined;
  readonly told: (wire: Wire) => Told;
  /** A whole answer. */
  readonly body: (body: unknown, heard: Hearing) => void;
  /** One event of a stream. */
  readonly chunk: (chunk: unknown, heard: Hearing) => void;
}

/** What is heard of a call, while it is read. */
export interface Hearing {
  readonly tools: ToolPieces;
  /**
   * Counts that are said. `final`: they are the last word, because all of the answer had come when they were said. They are so until more
   * of the answer comes.
   */
  uses(usage: unknown, final?: boolean): void;
  /** Names: the first word on them counts. */
  names(names: { readonly model?: string | undefined; readonly id?: string | undefined }): void;
  /** More of the answer came: neither has it ended, nor does what was said of its usage hold for all of it. */
  says(): void;
  /** One of the answers that the call gives side by side was heard: more of it, or its end, or both, or neither. */
  choice(place: number, heard: { readonly says: boolean; readonly ends: boolean }): void;
  /** Whether as many such answers as were asked for are there, and all have ended. */
  readonly ended: boolean;
  /** The whole answer has come. `closed`: the format says so itself, and what was said last of its usage is the last word on it. */
  completes(closed?: boolean): void;
}
