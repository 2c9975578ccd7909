/** A chat server per test, and how it is asked. */
import { afterEach } from "vitest";
import { type ChatAnswer, ChatError, type ChatRequest, type DriverChat } from "../../../src/supervise/driver/chat.js";
import { routerDriverChat } from "../../../src/supervise/router/chat.js";
import type { RouterChatOptions } from "../../../src/supervise/router/options.js";
import { type Script, WireServer } from "../../wire/server.js";

/** The header that makes the next attempt come at once. */
export const AT_ONCE = { "retry-after-ms": "1" };

/** A server and a chat with it. */
export interface Asked {
  readonly server: WireServer;
  readonly chat: DriverChat;
}

/** Call once, at the top of a test file. */
export function useChatServers(): (script: Script, options?: Partial<RouterChatOptions>) => Promise<Asked> {
  const running: WireServer[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
  });
  return async (script, options = {}) => {
    const server = await WireServer.start(script);
    running.push(server);
    return { server, chat: routerDriverChat({ model: "small", baseURL: server.baseURL, apiKey: "key", ...options }) };
  };
}

/** Asks the model one thing. */
export function ask(chat: DriverChat, request: Partial<ChatRequest> = {}): Promise<ChatAnswer> {
  const signal = new AbortController().signal;
  return chat.complete({ messages: [{ role: "user", content: "Go." }], tools: [], signal, ...request });
}

/** The error of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<ChatError> {
  const error = await call.then(
    (answer) => new Error(`answered ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );
  if (error instanceof ChatError) return error;
  throw error;
}
