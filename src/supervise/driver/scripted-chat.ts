/** A model that says what it was told to say: for tests and examples, without a network. */

import type { Amount } from "../../ledger/protocol.js";
import { type ChatAnswer, ChatError, type ChatRequest, type ChatUsage, type DriverChat } from "./chat.js";

/** One answer of the script. What is left out is not reported. */
export interface ScriptedAnswer {
  readonly content?: string;
  readonly toolCalls?: readonly { readonly name: string; readonly arguments?: unknown; readonly id?: string }[];
  readonly usage?: ChatUsage;
  readonly costUsd?: Amount;
  readonly provider?: string;
  readonly model?: string;
  readonly providerRequestId?: string;
  /** The call fails with it. A text becomes a ChatError, which keeps the usage and cost stated beside it. */
  readonly error?: string | Error;
}

/** An answer, or what makes one of the request. */
export type ScriptLine = ScriptedAnswer | ((request: ChatRequest) => ScriptedAnswer | Promise<ScriptedAnswer>);

/** The chat, with what it was asked so far. */
export interface ScriptedChat extends DriverChat {
  readonly requests: readonly ChatRequest[];
}

/**
 * A chat that gives the answers of the script in their order; a script without end may be a generator. Asked past its end it throws,
 * and so it does where a line calls a tool that the request does not offer: a mistake in the script shall fail the test. Metered like
 * any chat, unless `inference: "none"` says that nothing is inferred.
 */
export function scriptedChat(
  script: Iterable<ScriptLine>,
  options: { readonly inference?: "metered" | "none"; readonly provider?: string; readonly model?: string } = {},
): ScriptedChat {
  const lines = script[Symbol.iterator]();
  const requests: ChatRequest[] = [];
  return {
    ...options,
    requests,
    async complete(request): Promise<ChatAnswer> {
      request.signal.throwIfAborted();
      const place = requests.push(request);
      const { value: line, done } = lines.next();
      if (done) throw new Error(`the script has ${place - 1} answers, and the chat is asked for another`);
      const {
        error,
        content = "",
        toolCalls = [],
        ...reported
      } = typeof line === "function" ? await line(request) : line;
      if (error instanceof Error) throw error;
      if (error !== undefined) throw new ChatError(error, reported);
      const offered = request.tools.map(({ name }) => name);
      const unknown = toolCalls.find(({ name }) => !offered.includes(name));
      if (unknown) {
        throw new Error(`answer ${place} of the script calls ${unknown.name}; the tools are ${offered.join(", ")}`);
      }
      const calls = toolCalls.map(({ name, id, arguments: args = {} }, n) => ({
        id: id ?? `call_${place}_${n + 1}`,
        name,
        arguments: typeof args === "string" ? args : JSON.stringify(args),
      }));
      return { content, toolCalls: calls, ...reported };
    },
  };
}
