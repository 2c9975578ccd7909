/** What the provider's models do: give out all of their group's work by key, wait for it, and again until all of it is done. */
import { variantOf } from "./variants.js";
import { groupOf, isGroup } from "./work.js";

interface WireMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string } }[];
  readonly tool_call_id?: string;
}

/** A conversation in the wire form of OpenAI. */
export type Conversation = readonly WireMessage[];

/** A tool call that the model wants. */
export interface Move {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** What a group's driver calls its model: the key of the group and the name of the variant, which is all that the model goes by. */
export function modelOf(group: string, variant: string): string {
  return `${group}@${variant}`;
}

/** The key of the group whose driver calls its model so. */
export function groupOfModel(model: string): string {
  return model.split("@")[0] ?? "";
}

/** The next move of a driver's model; none when all is done. It keeps nothing: the conversation says how far it is. */
export function nextMove(model: string, conversation: Conversation): Move[] {
  const { parts } = groupOf(groupOfModel(model));
  const { driver } = variantOf(model.split("@")[1] ?? "");
  const spawnAll = Object.entries(parts).map(([key, part]) => {
    const budget = isGroup(part) ? { budget: driver } : {};
    return { name: "spawn_worker", args: { profile: key, task: { key }, label: key, key, ...budget } };
  });
  const last = conversation.findLastIndex(({ role }) => role === "assistant");
  if (last < 0) return spawnAll;
  const awaitEvent = [{ name: "await_event", args: {} }];
  if (called(conversation[last]) === "spawn_worker") return awaitEvent;
  if (!results(conversation, last).some(({ idle }) => idle === true)) return awaitEvent;
  const round = conversation.findLastIndex((message) => called(message) === "spawn_worker");
  const failed = results(conversation, round).some(({ error, status }) => error !== undefined || status === "down");
  return failed ? spawnAll : [];
}

/** The first tool that a message calls. */
function called(message: WireMessage | undefined): string | undefined {
  return message?.tool_calls?.[0]?.function.name;
}

/** What the tools have answered since that message. */
function results(conversation: Conversation, from: number): Record<string, unknown>[] {
  const answers = conversation.slice(from).filter(({ role }) => role === "tool");
  return answers.map(({ content }) => JSON.parse(String(content)));
}
