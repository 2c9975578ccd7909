/** Tool calls of an answer: put together where they come in pieces, and each with an id of its own. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { ChatToolCall } from "../driver/chat.js";

const text = z.string().nullish().catch(undefined);

/** Arguments are a text; some endpoints send the object itself. */
const written = z
  .union([z.string(), z.record(z.string(), z.unknown()).transform((object) => JSON.stringify(object))])
  .nullish();

/** A tool call, or a piece of one, on the wire. */
export const wireToolCall = z.object({
  index: z.int().nullish().catch(undefined),
  id: text,
  function: z.object({ name: text, arguments: written }).nullish(),
});

export type WireToolCall = z.output<typeof wireToolCall>;

/**
 * The calls as the driver gets them; undefined where one has no name. A call without an id, or with that of another, gets one of its
 * own. No arguments are `{}`, unless the answer was `cut`: then they may be missing.
 */
export function toolCallsOf(wire: readonly WireToolCall[], cut: boolean): ChatToolCall[] | undefined {
  const ids = new Set<string>();
  const calls: ChatToolCall[] = [];
  for (const call of wire) {
    const name = call.function?.name;
    if (!name) return undefined;
    const id = call.id && !ids.has(call.id) ? call.id : `call_${randomUUID()}`;
    ids.add(id);
    const written = call.function?.arguments ?? "";
    calls.push({ id, name, arguments: written === "" && !cut ? "{}" : written });
  }
  return calls;
}
