/** Whether an answer says by its status that the provider did not take the request. */

/**
 * Statuses of requests that were turned away as they stand: malformed, not allowed, not paid for, too large, too many. Others of 4xx do not
 * say so: 408, 409, 424 and 499 also come from a server, or a gateway before it, that gave up on a model at work.
 */
const NOT_TAKEN: ReadonlySet<number> = new Set([400, 401, 402, 403, 404, 405, 413, 415, 422, 429]);

/** Whether nothing was used, and that is known. After any other failure it is not. */
export function notTaken(status: number): boolean {
  return NOT_TAKEN.has(status);
}
