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

/** A tool call as far as it has come. */
interface Begun {
  readonly index: number | undefined;
  id: string;
  name: string;
  arguments: string;
}

/** Tool calls of a streamed answer, whose pieces may come in any mixture. */
export class ToolCallPieces {
  readonly #calls: Begun[] = [];

  /**
   * A piece belongs to the call of its index; without one, to that of its id, else to the last. Ids and names may come in pieces, or
   * whole with every piece. Another id and a name after arguments have begun are another call: some endpoints give all the same index.
   */
  add(piece: WireToolCall): void {
    const { name, arguments: written } = piece.function ?? {};
    let call = this.#find(piece);
    if (call && call.arguments !== "" && piece.id && name && piece.id !== call.id) call = undefined;
    if (!call) {
      call = { index: piece.index ?? undefined, id: "", name: "", arguments: "" };
      this.#calls.push(call);
    }
    call.id = continued(call.id, piece.id);
    call.name = continued(call.name, name);
    call.arguments += written ?? "";
  }

  /** The calls in the order in which they began. */
  calls(): WireToolCall[] {
    return this.#calls.map(({ id, name, arguments: written }) => ({ id, function: { name, arguments: written } }));
  }

  #find({ index, id }: WireToolCall): Begun | undefined {
    if (typeof index === "number") return this.#calls.findLast((call) => call.index === index);
    return id ? this.#calls.find((call) => call.id === id) : this.#calls.at(-1);
  }
}

function continued(known: string, piece: string | null | undefined): string {
  return !piece || piece === known ? known : known + piece;
}

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
