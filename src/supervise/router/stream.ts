/** An answer that comes piece by piece. */
import { z } from "zod";
import type { Amount } from "../../ledger/protocol.js";
import { ToolPieces } from "../../usage/tool-pieces.js";
import type { ChatUsage } from "../driver/chat.js";
import { malformed, type Said, wireContent, wireToolCalls } from "./answer.js";
import { type Reported, reportedBy } from "./usage.js";

const piece = z.object({
  choices: z
    .array(
      z.object({
        index: z.int().nullish(),
        delta: z.object({ content: wireContent, refusal: z.string().nullish(), tool_calls: wireToolCalls }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
});

/** What has come of a streamed answer. */
export class StreamedAnswer {
  readonly #calls = new ToolPieces();
  readonly #known: Reported;
  #content = "";
  #refusal = "";
  #finish: string | undefined;
  #names: Reported = {};
  #usage: ChatUsage | undefined;
  #costUsd: Amount | undefined;
  #final = false;

  /** `known`: what is known of the call without the endpoint. */
  constructor(known: Reported) {
    this.#known = known;
  }

  /**
   * Takes the next piece. Of usage the latest word counts, of names the first.
   * @throws {ChatError} where it is malformed.
   */
  add(chunk: unknown): void {
    const { usage, costUsd, ...names } = reportedBy(chunk);
    this.#names = { ...names, ...this.#names };
    this.#usage = usage ?? this.#usage;
    this.#costUsd = costUsd ?? this.#costUsd;
    const { data, error } = piece.safeParse(chunk);
    if (!data) throw malformed(error, this.reported());
    const choices = data.choices ?? [];
    for (const { index, delta, finish_reason } of choices) {
      if (index) continue;
      this.#content += delta?.content ?? "";
      this.#refusal += delta?.refusal ?? "";
      for (const { index: place, id, function: called } of delta?.tool_calls ?? []) {
        this.#calls.add({ place, id, name: called?.name, text: called?.arguments });
      }
      this.#finish = finish_reason || this.#finish;
    }
    if ((usage || costUsd !== undefined) && (choices.length === 0 || this.#finish !== undefined)) this.#final = true;
  }

  /** Whether the model has said why it ended: what may still come is usage. */
  get ended(): boolean {
    return this.#finish !== undefined;
  }

  said(): Said {
    const toolCalls = this.#calls.calls.map(({ id, name, text }) => ({ id, function: { name, arguments: text } }));
    return { content: this.#content || this.#refusal, toolCalls, finish: this.#finish };
  }

  /**
   * What is known of the call. A count that ran along with the pieces is not the whole: of it the prompt is kept, and output and cost
   * are unknown until the last word on them has come.
   */
  reported(): Reported {
    const { input, cacheRead, cacheWrite } = this.#usage ?? {};
    const prompt = input === undefined ? undefined : { input, cacheRead, cacheWrite };
    const usage = this.#final ? this.#usage : prompt;
    const costUsd = this.#final ? this.#costUsd : undefined;
    return { ...this.#names, ...(usage && { usage }), ...(costUsd !== undefined && { costUsd }), ...this.#known };
  }
}
