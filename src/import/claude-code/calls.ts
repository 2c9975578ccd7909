/** Model calls out of assistant lines. A call is written over several lines, each with its usage so far; it counts once. */
import { part } from "./ids.js";
import type { Problems } from "./problems.js";
import type { NumberedLine } from "./read.js";
import { parseUsage, promptTokens, type Usage } from "./shapes.js";

/** What the client writes as model where no model was asked (an API error, an interruption). */
const SYNTHETIC = "<synthetic>";

/** One model call. */
export interface Call {
  /** Message id and request id, or what stands for them: the same call has the same key in every file. */
  readonly key: string;
  readonly messageId?: string;
  readonly requestId?: string;
  readonly model?: string;
  /** When its first line was written, in milliseconds; undefined where that is missing or in the future. */
  readonly at?: number;
  /** The usage with the largest output; undefined where no line stated one. */
  readonly usage?: Usage;
  /** Names of the tools it asked for, in order. */
  readonly tools: readonly string[];
}

/** The ledger takes up to so many names of tools with one event. */
const TOOLS = 1_000;

interface Growing {
  readonly call: { -readonly [Key in keyof Call]: Call[Key] } & { tools: string[] };
  readonly blocks: Set<string>;
}

/** Gathers the calls of one chain of lines. */
export class Calls {
  private readonly growing = new Map<string, Growing>();
  /** The latest call of a message id. */
  private readonly byMessage = new Map<string, Growing>();

  /** `place` names the file in the key of a call that has no id at all; `now` is the latest instant that can be true. */
  constructor(
    private readonly place: string,
    private readonly now: number,
  ) {}

  /** Takes an assistant line; other lines are none of a call's. */
  add({ line, number }: NumberedLine, problems: Problems): void {
    const { message } = line;
    if (line.type !== "assistant" || message === undefined) return;
    const key = keyOf(message.id, line.requestId, line.uuid) ?? `line:${this.place}:${number}`;
    let entry = this.growing.get(key) ?? this.partOf(message.id, line.requestId);
    if (entry === undefined) {
      if (message.id === undefined && line.requestId === undefined) problems.add("a model call without ids", number);
      entry = { call: { key, tools: [], ...this.begin(line.timestamp, problems, number) }, blocks: new Set() };
    }
    // Under the key of its first line, whatever later ones add: a prefix of the file gives the same.
    this.growing.set(key, entry);
    if (message.id !== undefined) this.byMessage.set(message.id, entry);
    const { call, blocks } = entry;
    if (message.id !== undefined) call.messageId ??= message.id;
    if (line.requestId !== undefined) call.requestId ??= line.requestId;
    if (message.model !== undefined) call.model ??= message.model;
    this.addUsage(call, message, problems, number);
    message.content.forEach((block, index) => {
      const id = block?.id ?? `${number}:${index}`;
      if (block?.type !== "tool_use" || blocks.has(id)) return;
      blocks.add(id);
      if (call.tools.length < TOOLS) call.tools.push(block.name ?? "unnamed");
      else problems.once(`a model call with more than ${TOOLS} tools: the others are left out`, number);
    });
  }

  /** The call that a line without a request id, or the first line with one, goes on with. */
  private partOf(messageId: string | undefined, requestId: string | undefined): Growing | undefined {
    const entry = messageId === undefined ? undefined : this.byMessage.get(messageId);
    return requestId === undefined || entry?.call.requestId === undefined ? entry : undefined;
  }

  private begin(timestamp: number | undefined, problems: Problems, number: number): { at?: number } {
    if (timestamp === undefined)
      problems.add("a model call without a timestamp: booked at the time of its import", number);
    else if (timestamp > this.now) problems.add("a timestamp in the future: booked at the time of its import", number);
    else return { at: timestamp };
    return {};
  }

  private addUsage(
    call: Growing["call"],
    message: { usage?: unknown; model?: string | undefined },
    problems: Problems,
    number: number,
  ): void {
    const usage = parseUsage(message.usage);
    if (usage !== undefined) {
      // Ties go to the later line.
      if (usage.output_tokens >= (call.usage?.output_tokens ?? 0)) call.usage = usage;
    } else if (message.model !== SYNTHETIC) {
      problems.add(
        "usage missing or malformed: taken as unknown, unless another line of the same call states it",
        number,
      );
    }
    if (message.model === undefined) problems.once("a model call without a model's name", number);
    else if (!message.model.startsWith("claude-") && !(message.model === SYNTHETIC && isNothing(usage))) {
      problems.once(`unknown model ${message.model}`, number);
    }
  }

  /** The calls so far, in the order of their first lines, and how many entries were no model call. */
  list(): { calls: Call[]; synthetic: number } {
    const all = [...new Set(this.growing.values())].map(({ call }) => call);
    const calls = all.filter((call) => !(call.model === SYNTHETIC && isNothing(call.usage)));
    return { calls, synthetic: all.length - calls.length };
  }
}

/** Either id alone names a call too (not every provider gives a request id); without both, the line is all there is. */
function keyOf(
  messageId: string | undefined,
  requestId: string | undefined,
  uuid: string | undefined,
): string | undefined {
  if (messageId !== undefined || requestId !== undefined) return `${part(messageId ?? "")}:${part(requestId ?? "")}`;
  return uuid === undefined ? undefined : `line:${part(uuid)}`;
}

function isNothing(usage: Usage | undefined): boolean {
  return usage === undefined || promptTokens(usage) + usage.output_tokens === 0;
}
