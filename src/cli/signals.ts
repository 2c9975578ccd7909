/** How a verb that goes on until it is told to stop learns of it, and how a closed pipe ends every verb quietly. */

const stopping = new AbortController();
let isWatching = false;

/**
 * Aborted at the first SIGINT or SIGTERM, and when nobody reads the output any more. From the first call on, a signal does not end
 * the process by itself; a second one does.
 */
export function untilStopped(): AbortSignal {
  if (isWatching) return stopping.signal;
  isWatching = true;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stopping.abort());
  }
  return stopping.signal;
}

/** Makes a reader that has enough (`| head`) no error. What is written afterwards goes nowhere. */
export function endQuietlyWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    stopping.abort();
  });
}
