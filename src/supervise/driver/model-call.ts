/** One model call of a driver: announced before the provider can bill, booked however it ended. */
import { performance } from "node:perf_hooks";
import { LedgerError } from "../../ledger/errors.js";
import type { Amount } from "../../ledger/protocol.js";
import { id } from "../../ledger/schemas.js";
import { within } from "../scope/waiting.js";
import type { Metered, Scope, TurnDetail } from "../scope.js";
import { type ChatAnswer, ChatError, type ChatRequest, type ChatToolCall, type DriverChat } from "./chat.js";
import { errorText, jsonText, keptText } from "./text.js";
import { receiptOf, spendOf, tellsTokens } from "./usage.js";

/** How long a chat may take to end after its signal aborted; then it is left behind and its usage is unknown. */
const ABORT_GRACE_MS = 1_000;

/** Which call. */
export interface ModelCall {
  readonly scope: Scope;
  readonly chat: DriverChat;
  readonly kind: TurnDetail["kind"];
  /** The driver's name. */
  readonly driver: string;
  readonly turn: number;
  /** What it can cost at most, where somebody knows. */
  readonly maxUsd: Amount | undefined;
}

/** How it ended. */
export type Called = {
  /** Null for a chat that infers nothing. */
  readonly metered: Metered | null;
  /** The model that answered, or was asked. */
  readonly model: string | undefined;
  /** Whose prices it was booked at. */
  readonly provider: string | undefined;
  /** Whether its tokens are known. */
  readonly tokensKnown: boolean;
  /** Tokens of its prompt, as far as it told; else 0. */
  readonly promptTokens: number;
} & ({ readonly answer: ChatAnswer } | { readonly error: unknown });

/**
 * Makes the call and books it. What the chat throws is an answer here, with what it reported.
 * @throws {LedgerError} where it cannot be announced (then it was not made) or not be booked.
 */
export async function modelCall(call: ModelCall, request: ChatRequest): Promise<Called> {
  const { scope, chat, kind, driver, turn, maxUsd } = call;
  const asked = { kind, driver, turn, ...named(chat) };
  const isMetered = chat.inference !== "none";
  const announced = isMetered ? await scope.dispatchCall({ ...asked, maxUsd }) : undefined;
  const begun = performance.now();
  const ended = await outcome(chat, request);
  const reported = ("answer" in ended ? ended.answer : ended.error instanceof ChatError && ended.error.reported) || {};
  const spend = spendOf(reported, performance.now() - begun);
  const which = {
    ...asked,
    ...("error" in ended && { inferenceFailed: keptText(errorText(ended.error), 500) }),
    ...(announced !== undefined && { call: announced }),
  };
  const detail = {
    ...which,
    ...named(reported),
    toolCalls: "answer" in ended ? toolNames(ended.answer.toolCalls) : [],
  };
  const { model, provider } = detail;
  const known = { ...ended, model, provider, promptTokens: Number(spend.input_tokens ?? 0) };
  if (!isMetered) return { ...known, metered: await scope.meter(null, detail), tokensKnown: tellsTokens(spend) };
  try {
    return { ...known, metered: await scope.meter(spend, detail), tokensKnown: tellsTokens(spend) };
  } catch (error) {
    if (!isUnfit(error)) throw error;
    // What exactly it cannot take, nobody knows; that there was a call, and its receipt, it can.
    const metered = await scope.meter(receiptOf(spend), { ...which, toolCalls: [] });
    return { ...known, metered, tokensKnown: false };
  }
}

/** What no repetition cures, and fewer words may. */
function isUnfit(error: unknown): boolean {
  return error instanceof LedgerError && /^(?:LG001|22)/.test(error.code);
}

/** The names the ledger can keep; others are left out, so that the call is booked all the same. */
function named(
  of: Pick<ChatAnswer, "provider" | "model" | "providerRequestId">,
): Pick<TurnDetail, "provider" | "model" | "providerRequestId"> {
  const { provider, model, providerRequestId } = of;
  const names = Object.entries({ provider, model, providerRequestId });
  return Object.fromEntries(names.filter(([, name]) => id.safeParse(name).success && !/\p{Cs}/u.test(String(name))));
}

/** As many tools as a row names at most. */
const MOST_NAMES = 1_000;

/** Bytes of all names together, which a row has beside other facts. */
const MOST_BYTES = 50_000;

/** The names of the first tools called, as far as a row can keep them. */
function toolNames(calls: readonly ChatToolCall[]): string[] {
  let left = MOST_BYTES;
  const kept = calls.slice(0, MOST_NAMES).map(({ name }) => keptText(name, 200));
  return kept.filter((name) => {
    left -= Buffer.byteLength(JSON.stringify(name)) + 2;
    return left >= 0;
  });
}

type Outcome = { readonly answer: ChatAnswer } | { readonly error: unknown };

/** Answer or error, also where the chat does not heed its signal. */
async function outcome(chat: DriverChat, request: ChatRequest): Promise<Outcome> {
  const { signal } = request;
  const ended = await within(asked(chat, request), signal, () => ABORT_GRACE_MS);
  return ended ?? { error: new Error("aborted, and the chat did not end", { cause: signal.reason }) };
}

/** Never rejects, so that nobody need be there for what comes too late. */
async function asked(chat: DriverChat, request: ChatRequest): Promise<Outcome> {
  try {
    const answer = await chat.complete(request);
    const { content, toolCalls } = answer;
    const calls = Array.isArray(toolCalls) ? toolCalls.filter((call) => typeof call === "object" && call !== null) : [];
    return { answer: { ...answer, content: written(content), toolCalls: calls.map(called) } };
  } catch (error) {
    return { error };
  }
}

/** A tool call as it should be: some chats give the arguments as an object, or leave something out. */
function called({ id: callId, name, arguments: args }: ChatToolCall): ChatToolCall {
  return { id: written(callId), name: written(name), arguments: written(args) };
}

function written(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : jsonText(value);
}
