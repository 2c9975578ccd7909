/** The wire formats that the server speaks: at which path, and how a saying looks there. */
import { messageEventsOf, messageOf } from "./anthropic.js";
import { completionOf, piecesOf } from "./openai-chat.js";
import { responseEventsOf, responseOf } from "./openai-responses.js";
import type { Head, Saying, WireEvent } from "./saying.js";

/** As the ledger names them. */
export type WireFormat = "openai-chat" | "openai-responses" | "anthropic";

/** What of a request decides how it is answered. */
export interface AskedFor {
  readonly stream_options?: { readonly include_usage?: boolean } | null;
}

/** How one format puts an answer, and an error. */
export interface Format {
  readonly path: string;
  whole(saying: Saying, head: Head): object;
  events(saying: Saying, head: Head, asked: AskedFor): WireEvent[];
  error(type: string, message: string): object;
}

const openaiError = (type: string, message: string) => ({ error: { message, type, param: null, code: null } });

/** Each format by its name. */
export const FORMATS: Readonly<Record<WireFormat, Format>> = {
  "openai-chat": {
    path: "/v1/chat/completions",
    whole: completionOf,
    events: (saying, head, asked) =>
      piecesOf(saying, head, asked.stream_options?.include_usage === true).map((data) => ({ data })),
    error: openaiError,
  },
  "openai-responses": {
    path: "/v1/responses",
    whole: responseOf,
    events: responseEventsOf,
    error: openaiError,
  },
  anthropic: {
    path: "/v1/messages",
    whole: messageOf,
    events: messageEventsOf,
    error: (type, message) => ({ type: "error", error: { type, message } }),
  },
};

/** The format of a path. */
export function formatAt(path: string): Format | undefined {
  return Object.values(FORMATS).find((format) => format.path === path);
}
