/** Messages for a driver, from above or in reply, kept until its next turn. */
import type { Question } from "../mailbox.js";
import { bounded, jsonText } from "./text.js";
import type { Instruction } from "./worker-tools.js";

/** More than these wait for no driver: the sender is told that they are not taken. */
const MOST_WAITING = 100;

/** What waits for the model. */
export interface Inbox {
  /** False where too much waits already, or the driver has ended. */
  put(text: string): boolean;
  /** All that waits, which waits no more. */
  drain(): string[];
  /** Aborted while something waits, or as soon as something does. */
  arrival(): AbortSignal;
  close(): void;
}

/** An inbox that is empty. */
export function createInbox(): Inbox {
  let waiting: string[] = [];
  let closed = false;
  let arrived = new AbortController();
  return {
    put(text) {
      if (closed || waiting.length >= MOST_WAITING) return false;
      waiting.push(bounded(text));
      arrived.abort();
      return true;
    },
    drain() {
      const texts = waiting;
      waiting = [];
      if (arrived.signal.aborted) arrived = new AbortController();
      return texts;
    },
    arrival: () => arrived.signal,
    close() {
      closed = true;
    },
  };
}

/** A message as the model reads it. */
export function messageText(message: unknown): string {
  if (!isInstruction(message)) return `Message: ${typeof message === "string" ? message : jsonText(message)}`;
  const urgent = message.interrupt ? " (interrupt: follow it before anything else)" : "";
  return `Instruction from ${message.from}${urgent}: ${message.instruction}`;
}

/** A reply as the model reads it. */
export function replyText({ questionId, question, status, answer }: Question): string {
  return `Your question ${questionId} (${question}) is ${status}: ${answer ?? ""}`;
}

function isInstruction(message: unknown): message is Instruction {
  return typeof message === "object" && message !== null && "type" in message && message.type === "instruction";
}
