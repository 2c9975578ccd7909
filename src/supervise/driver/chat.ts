/** The seam between a driver and its model: messages and tools in, one answer and its usage out. */
import type { Amount } from "../../ledger/protocol.js";

/** A tool as the model sees it; `parameters` is JSON Schema of an object. */
export interface ChatTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** A tool call of the model. `arguments` is the text it wrote, which may be no JSON. */
export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** A message of the driver's conversation. */
export type ChatMessage =
  | { readonly role: "system" | "user"; readonly content: string }
  | { readonly role: "assistant"; readonly content: string; readonly toolCalls: readonly ChatToolCall[] }
  | { readonly role: "tool"; readonly toolCallId: string; readonly content: string };

/** Tokens as the provider reports them: `input` is the whole prompt, its cached part included. Left out = not reported. */
export interface ChatUsage {
  readonly input?: Amount | undefined;
  readonly output?: Amount | undefined;
  readonly cacheRead?: Amount | undefined;
  readonly cacheWrite?: Amount | undefined;
  readonly reasoning?: Amount | undefined;
}

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ChatTool[];
  readonly signal: AbortSignal;
}

/** One answer of the model. */
export interface ChatAnswer {
  readonly content: string;
  readonly toolCalls: readonly ChatToolCall[];
  /** Absent = not reported: tokens unknown. */
  readonly usage?: ChatUsage | undefined;
  /** A receipt; 0 is one. Absent = no receipt: dollars estimated where the tenant has a price book, else unknown. */
  readonly costUsd?: Amount | undefined;
  readonly provider?: string | undefined;
  /** The model that answered, where it says so. */
  readonly model?: string | undefined;
  readonly providerRequestId?: string | undefined;
}

/** What a chat that fails may throw, so that what the provider reported before is kept; anything else thrown is a call of unknown usage. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  constructor(
    message: string,
    /** What is known of the call. */
    readonly reported: Pick<ChatAnswer, "usage" | "costUsd" | "provider" | "model" | "providerRequestId"> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A model that a driver talks to. */
export interface DriverChat {
  readonly provider?: string;
  /** The model that is asked. */
  readonly model?: string;
  /** `none`: scripted or offline, nothing is inferred, so that nothing is metered and nothing is unknown. */
  readonly inference?: "metered" | "none";
  /** @throws {ChatError} or anything, where there is no answer. */
  complete(request: ChatRequest): Promise<ChatAnswer>;
}
