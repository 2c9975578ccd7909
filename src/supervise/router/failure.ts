/** Whatever went wrong on the way to an answer, as the driver gets it. */
import { id } from "../../ledger/schemas.js";
import { ChatError } from "../driver/chat.js";
import { isApiError } from "./attempts.js";
import type { Patience } from "./patience.js";
import type { Reported } from "./usage.js";

/** The error for what was thrown, with what is known of the call; the first is its `cause`. */
export function failure(error: unknown, patience: Patience, reported: Reported): ChatError {
  if (patience.lost) return new ChatError(`the endpoint was silent for ${patience.ms} ms`, reported, { cause: error });
  if (patience.signal.aborted) {
    const { reason } = patience.signal;
    return new ChatError(`the call was aborted: ${textOf(reason)}`, reported, { cause: reason });
  }
  if (error instanceof ChatError) return error;
  const { data: providerRequestId } = id.safeParse(isApiError(error) ? error.headers?.get("x-request-id") : undefined);
  return new ChatError(
    messageOf(error),
    { ...(providerRequestId && { providerRequestId }), ...reported },
    { cause: error },
  );
}

function messageOf(error: unknown): string {
  if (error instanceof SyntaxError) return `the answer is no JSON: ${error.message}`;
  if (!isApiError(error)) return `there is no whole answer: ${textOf(error)}`;
  if (error.status !== undefined) return `the endpoint refused: ${error.message}`;
  // Without a status but with headers: an error object in a stream.
  if (error.headers) return `the endpoint answered an error: ${error.message}`;
  return `the endpoint was not reached: ${textOf(error)}`;
}

/** The message, with those of its causes, which say what happened to the connection. */
function textOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined || depth === 3
    ? error.message
    : `${error.message}: ${textOf(error.cause, depth + 1)}`;
}
