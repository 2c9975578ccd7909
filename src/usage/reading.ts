/** One call while it is read, in any format. */
import type { Spend } from "../ledger/protocol.js";
import type { Format, Hearing } from "./format.js";
import { later, spendOf, tellsTokens } from "./rule.js";
import { toolsAsked, toolsOf } from "./tools.js";
import type { CallReport } from "./usage.js";

/** A stream of a call while it comes in. What is kept of it is bounded. */
export interface StreamReading {
  /** Takes one event, parsed, as the wire sends it. */
  add(chunk: unknown): void;
  /** What was received up to now. */
  report(): CallReport;
}

/** What can be read in a format. */
export interface Reader {
  readonly usageOf: (usage: unknown) => Spend;
  readonly reportOf: (body: unknown) => CallReport;
  readonly readStream: (choices?: number) => StreamReading;
}

/** The reader of a format. */
export function readerOf<Wire extends object>(format: Format<Wire>): Reader {
  return {
    usageOf: (usage) => {
      const wire = format.usage(usage);
      return wire ? spendOf(format.told(wire)) : {};
    },
    reportOf: (body) => {
      const reading = new Reading(format);
      format.body(body, reading);
      return reading.report();
    },
    readStream: (choices) => {
      const reading = new Reading(format, choices);
      return { add: (chunk) => format.chunk(chunk, reading), report: () => reading.report() };
    },
  };
}

/** Answers side by side of which it is kept whether they have ended: no provider gives so many. */
const MOST_CHOICES = 1_000;

class Reading<Wire extends object> implements Hearing {
  readonly tools = toolsOf();
  readonly #format: Format<Wire>;
  #wire: Wire | undefined;
  #model: string | undefined;
  #id: string | undefined;
  /** Whether each has ended, by its place. */
  readonly #choices = new Map<number, boolean>();
  readonly #asked: number;
  /** Usage was said, and nothing of the answer after it. */
  #isCurrent = false;
  #final = false;
  #complete = false;

  constructor(format: Format<Wire>, asked = 1) {
    this.#format = format;
    this.#asked = asked;
  }

  uses(usage: unknown, final = false): void {
    const said = this.#format.usage(usage);
    if (!said) return;
    this.#wire = later(this.#wire, said);
    this.#isCurrent = true;
    this.#final ||= final;
  }

  names({ model, id }: { readonly model?: string | undefined; readonly id?: string | undefined }): void {
    this.#model ??= model;
    this.#id ??= id;
  }

  says(): void {
    this.#isCurrent = false;
    this.#final = false;
    this.#complete = false;
  }

  choice(place: number, { says, ends }: { readonly says: boolean; readonly ends: boolean }): void {
    const before = this.#choices.get(place);
    const isKept = before !== undefined || this.#choices.size < MOST_CHOICES;
    if (isKept) this.#choices.set(place, ends || (before === true && !says));
    if (says) this.says();
    if (this.ended) return;
    this.#final = false;
    this.#complete = false;
  }

  get ended(): boolean {
    return this.#choices.size >= this.#asked && [...this.#choices.values()].every(Boolean);
  }

  completes(closed = false): void {
    this.tools.end();
    this.#complete = true;
    this.#final ||= closed && this.#isCurrent;
  }

  report(): CallReport {
    return {
      spend: this.#spend(),
      ...(this.#model !== undefined && { model: this.#model }),
      ...(this.#id !== undefined && { providerRequestId: this.#id }),
      tools: toolsAsked(this.tools.calls),
      complete: this.#complete,
    };
  }

  /**
   * The one rule of all formats: the last word on usage is what is said at the end of the answer, of all answers side by side, or after
   * it, and it is so until more of the answer comes. Before it the tokens are a lower bound, and a cost is unknown.
   */
  #spend(): Spend {
    if (!this.#wire) return {};
    const spend = spendOf(this.#format.told(this.#wire));
    if (this.#final) return spend;
    const { usd: _, ...tokens } = spend;
    return tellsTokens(tokens) ? { ...tokens, tokens_known: false } : {};
  }
}
