/** What a call would cost, before it is made: the ceiling in dollars of a reservation. */
import { z } from "zod";
import { estimateOf } from "./call.js";
import type { Amount } from "./protocol.js";
import { id, notNegative, parse } from "./schemas.js";
import type { Writer } from "./writer.js";

/** A call that may be made: so many tokens, none of its input from a cache. */
export interface CallTokens {
  /** As the price book names it. */
  readonly provider: string;
  readonly model: string;
  readonly input_tokens: Amount;
  readonly output_tokens: Amount;
}

const callTokens = z.strictObject({ provider: id, model: id, input_tokens: notNegative, output_tokens: notNegative });

/**
 * Dollars at the prices that the tenant's current book has now, exact; null where they are unknown: no book is in use, or it does not
 * know the model or one of its classes.
 * @throws {LedgerError} LG001.
 */
export async function estimate(writer: Writer, call: CallTokens): Promise<string | null> {
  const checked = parse(callTokens, call, "call");
  return writer.ask((client) => estimateOf(client, writer.tenantId, checked));
}
