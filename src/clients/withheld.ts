/**
 * Calls that were not made, by the response that stands for each. The clients take what `fetch` throws for a lost connection: they try
 * again, and throw an error of their own. A response they do not repeat, and make an error of it, which can be told here which one.
 */
const REASONS = new WeakMap<Headers, Error>();

/** A response that is neither taken for a lost connection nor asked for again. */
export function withhold(error: unknown): Response {
  const reason = error instanceof Error ? error : new Error(String(error));
  const body = { error: { type: reason.name, message: reason.message } };
  const response = Response.json(body, { status: 402, headers: { "x-should-retry": "false" } });
  REASONS.set(response.headers, reason);
  return response;
}

/** Why a call was not made, by the headers of its response; undefined where it was. */
export function reasonOf(headers: Headers): Error | undefined {
  return REASONS.get(headers);
}
