/** The sample's session files, added up without any of the importer's code: what the ledger must come to. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SAMPLE = fileURLToPath(new URL("../../src/sample/claude-code/", import.meta.url));

/** A line of a session, as far as figures go. */
interface Line {
  readonly type: string;
  readonly requestId?: string;
  readonly message?: {
    readonly id?: string;
    readonly model?: string;
    readonly usage?: Readonly<Record<string, unknown>>;
    readonly content?: readonly { readonly type: string; readonly id?: string; readonly name?: string }[];
  };
}

/** A model call: written over several lines, told apart by its message id. */
interface Call {
  readonly model: string;
  readonly tools: Map<string, string>;
  /** The whole prompt, the part of it read from the cache, and the output. */
  figures: [number, number, number];
}

/** The calls of the files whose names match, by message id. */
function callsOf(files: RegExp): Map<string, Call> {
  const calls = new Map<string, Call>();
  const names = readdirSync(SAMPLE, { recursive: true }).map(String);
  for (const name of names.filter((one) => one.endsWith(".jsonl") && files.test(one))) {
    const lines = readFileSync(`${SAMPLE}${name}`, "utf8").trim().split("\n");
    for (const text of lines) add(calls, JSON.parse(text) as Line);
  }
  return calls;
}

function add(calls: Map<string, Call>, { type, message }: Line): void {
  if (type !== "assistant" || message?.id === undefined || message.usage === undefined) return;
  if (message.model === undefined || message.model === "<synthetic>") return;
  const call = calls.get(message.id) ?? { model: message.model, tools: new Map(), figures: [0, 0, -1] };
  const count = (name: string): number => Number(message.usage?.[name] ?? 0);
  const prompt = count("input_tokens") + count("cache_read_input_tokens") + count("cache_creation_input_tokens");
  if (count("output_tokens") > call.figures[2]) {
    call.figures = [prompt, count("cache_read_input_tokens"), count("output_tokens")];
  }
  for (const block of message.content ?? []) {
    if (block.type === "tool_use" && block.id !== undefined) call.tools.set(block.id, String(block.name));
  }
  calls.set(message.id, call);
}

/** Input, cache reads and output of the whole sample, by model. */
export function callsOfSample(): Map<string, number[]> {
  const sums = new Map<string, number[]>();
  for (const { model, figures } of callsOf(/./).values()) {
    sums.set(
      model,
      figures.map((figure, index) => figure + (sums.get(model)?.[index] ?? 0)),
    );
  }
  return sums;
}

/** How often the sessions' own turns asked for each tool: sub-agents are booked as a whole, without the names. */
export function toolsOfSample(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tools } of callsOf(/^[^/]+$/).values()) {
    for (const tool of tools.values()) counts.set(tool, (counts.get(tool) ?? 0) + 1);
  }
  return counts;
}
