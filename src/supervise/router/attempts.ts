/** Sending a request again that was turned away. */
import { setTimeout as wait } from "node:timers/promises";
import type { Patience } from "./patience.js";

/** The client's errors, known by their form, because the application may bring a copy of its own. */
export interface ApiError extends Error {
  /** Undefined where there was no response. */
  readonly status: number | undefined;
  readonly headers: Headers | undefined;
}

/** Whether the client says that an endpoint turned the request away, or could not be reached. */
export function isApiError(error: unknown): error is ApiError {
  return error instanceof Error && "status" in error && "headers" in error && "requestID" in error;
}

/**
 * Sends until it is taken, at most `maxRetries` times more, by the client's own rule: 408, 409, 429, 5xx, lost connections, and what
 * `x-should-retry` says. Not by the client itself, because its waits cannot be aborted and are as long as the endpoint likes; here
 * one longer than the patience is not begun.
 * @throws what the last attempt threw.
 */
export async function retrying<T>(attempt: () => Promise<T>, maxRetries: number, patience: Patience): Promise<T> {
  for (let made = 0; made < maxRetries; made += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (patience.signal.aborted || !isApiError(error) || !mayGoThrough(error)) throw error;
      const delay = delayOf(error.headers, made);
      if (delay >= patience.ms) throw error;
      patience.heard();
      await wait(delay, undefined, { signal: patience.signal });
      patience.heard();
    }
  }
  return attempt();
}

function mayGoThrough({ status, headers }: ApiError): boolean {
  const said = headers?.get("x-should-retry");
  if (said === "true" || said === "false") return said === "true";
  return status === undefined || status === 408 || status === 409 || status === 429 || status >= 500;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;

/** What the endpoint asks for, else twice as long each time, less up to a quarter. */
function delayOf(headers: Headers | undefined, made: number): number {
  const ms = Number.parseFloat(headers?.get("retry-after-ms") ?? "");
  if (ms >= 0) return ms;
  const after = headers?.get("retry-after") ?? "";
  const seconds = Number.parseFloat(after);
  const asked = /^\s*[\d.]+\s*$/.test(after) ? seconds * 1000 : Date.parse(after) - Date.now();
  if (!Number.isNaN(asked)) return Math.max(0, asked);
  return Math.min(FIRST_DELAY_MS * 2 ** made, LONGEST_DELAY_MS) * (1 - Math.random() / 4);
}
