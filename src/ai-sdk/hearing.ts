/** What is heard of a call while its parts come in: names, tools, usage, and, below them, what the provider itself sent. */
import type { LanguageModelV3Content, LanguageModelV3StreamPart } from "@ai-sdk/provider";
import type { MeteredReport, ToolMade } from "../metering/metered-call.js";
import { readStream, type StreamReading } from "../usage/report.js";
import type { UsageFormat } from "../usage/usage.js";
import { formatSeen } from "./format.js";
import { readingFormat, type Said, spendSaid } from "./usage.js";

/** Tools that are kept of one call. */
const MOST_TOOLS = 1_000;

type Finish = Extract<LanguageModelV3StreamPart, { type: "finish" }>;

/** A call while it is heard. */
export class Hearing {
  readonly #tools = new Map<string, ToolMade>();
  #format: UsageFormat | undefined;
  #reading: StreamReading | undefined;
  #finish: Finish | undefined;
  #model: string | undefined;
  #id: string | undefined;
  #failed: unknown;

  constructor(format: UsageFormat | undefined) {
    this.#format = format;
  }

  /** What went wrong in the stream, as its error part says. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Takes one part. */
  add(part: LanguageModelV3StreamPart): void {
    switch (part.type) {
      case "raw":
        this.#read(part.rawValue);
        break;
      case "response-metadata":
        this.#model ??= part.modelId;
        this.#id ??= part.id;
        break;
      case "tool-input-start":
        this.#ask(part.id, { name: part.toolName, id: part.id });
        break;
      case "tool-call":
      case "tool-result":
        this.#content(part);
        break;
      case "error":
        this.#failed ??= part.error ?? new Error("the stream has failed");
        break;
      case "finish":
        this.#finish = part;
        break;
      default:
    }
  }

  /** What was received until now. */
  report(): MeteredReport {
    const read = this.#reading?.report();
    const complete = this.#finish !== undefined && (read ? read.complete : namesItsEnd(this.#finish));
    return {
      spend: complete && this.#finish ? spendSaid(this.#format, said(this.#finish), read?.spend) : (read?.spend ?? {}),
      model: this.#model ?? read?.model,
      providerRequestId: this.#id ?? read?.providerRequestId,
      tools: complete || read ? this.#toolsWith(read?.tools ?? []) : this.#toolsBegun(),
      complete,
    };
  }

  /**
   * What the provider itself has said of a tool holds: it may not have come through as a part of the SDK's yet, and where a stream is cut,
   * the SDK makes whole arguments of what there is.
   */
  #toolsWith(read: readonly ToolMade[]): ToolMade[] {
    const tools = new Map(this.#tools);
    for (const { arguments: told, ...tool } of read) {
      if (tool.id === undefined) continue;
      const { arguments: _, ...made } = tools.get(tool.id) ?? {};
      tools.set(tool.id, { ...made, ...tool, ...(told !== undefined && { arguments: told }) });
    }
    return [...tools.values()];
  }

  /** Of tools in a stream that was cut, where only the SDK tells of them. */
  #toolsBegun(): ToolMade[] {
    return [...this.#tools.values()].map(({ arguments: _, ...tool }) => tool);
  }

  #read(chunk: unknown): void {
    if (!this.#reading) {
      this.#format ??= formatSeen(chunk);
      if (this.#format) this.#reading = readStream(readingFormat(this.#format));
    }
    this.#reading?.add(chunk);
  }

  #content(part: Extract<LanguageModelV3Content, { type: "tool-call" | "tool-result" }>): void {
    const { toolCallId: id } = part;
    const before = this.#tools.get(id);
    this.#ask(id, { ...before, ...toolIn(part), id });
  }

  #ask(id: string, tool: ToolMade): void {
    if (this.#tools.size < MOST_TOOLS || this.#tools.has(id)) this.#tools.set(id, tool);
  }
}

/** Tools in a whole answer, each once, those that the provider ran itself with how they ended. */
export function toolsIn(content: readonly LanguageModelV3Content[]): ToolMade[] {
  const tools = new Map<string, ToolMade>();
  for (const part of content) {
    if (part.type !== "tool-call" && part.type !== "tool-result") continue;
    const { toolCallId: id } = part;
    tools.set(id, { ...tools.get(id), ...toolIn(part), id });
  }
  return [...tools.values()];
}

function toolIn(part: Extract<LanguageModelV3Content, { type: "tool-call" | "tool-result" }>): ToolMade {
  const { toolName: name } = part;
  if (part.type === "tool-call") return { name, arguments: inputOf(part.input) };
  return part.preliminary ? { name } : { name, status: part.isError ? "error" : "ok" };
}

/** The SDK has arguments as text of JSON; a model may have written something else. No text is no arguments. */
function inputOf(text: string): unknown {
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function said({ usage, providerMetadata }: Finish): Said {
  return { usage, providerMetadata };
}

/** Where a stream is cut, the SDK ends it all the same, for no reason that a provider gave. */
function namesItsEnd({ finishReason }: Finish): boolean {
  const { unified, raw } = typeof finishReason === "string" ? { unified: finishReason, raw: undefined } : finishReason;
  return unified !== "error" && (raw !== undefined || !["other", "unknown"].includes(unified));
}
