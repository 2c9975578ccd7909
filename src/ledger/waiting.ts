/** How long a caller waits for its answers: no longer than it wants them. What was sent goes on without it. */
import type { GivenUp } from "./errors.js";

/** When to stop waiting. */
export interface WaitOptions {
  /** Stops when this aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Stops after so many ms. */
  readonly timeoutMs?: number | undefined;
}

/** Whether the caller said anything about it. */
export function isImpatient({ signal, timeoutMs }: WaitOptions): boolean {
  return signal !== undefined || timeoutMs !== undefined;
}

/** Asks, and waits for the answer; where it is not waited for any longer, `giveUp` says what that is to the caller. */
export async function whileWanted<T>(
  ask: () => Promise<T>,
  { signal, timeoutMs }: WaitOptions,
  giveUp: (given: GivenUp) => unknown,
): Promise<T> {
  if (signal?.aborted) throw giveUp(aborted(signal));
  let stop = (_given: GivenUp): void => {};
  const givenUp = new Promise<never>((_resolve, reject) => {
    stop = (given) => reject(giveUp(given));
  });
  const onAbort = (): void => stop(aborted(signal));
  signal?.addEventListener("abort", onAbort, { once: true });
  const late = { why: `not answered within ${timeoutMs} ms`, retryable: true };
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop(late), timeoutMs);
  try {
    return await Promise.race([ask(), givenUp]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Whoever aborted does not want it made again. */
function aborted(signal: AbortSignal | undefined): GivenUp {
  return { why: "aborted by its caller", retryable: false, cause: signal?.reason };
}
