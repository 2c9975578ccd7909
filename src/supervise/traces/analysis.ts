/** The reading of one trace, span by span: the one place that counts and finds, live and after the fact. Its memory is bounded. */
import { digestOfArguments } from "../../ledger/tool-arguments.js";
import { bookableText } from "./bookable.js";
import type { CallStreak, TraceDetector } from "./detectors.js";
import type { ToolCounts, TraceFinding, TraceReport } from "./report.js";
import { Sightings } from "./sightings.js";
import { complain, type OnTraceError, tell } from "./source.js";
import type { ToolSpan } from "./span.js";
import { NO_SPAN, spanOf } from "./span-of.js";

const MOST_TOOLS = 1_000;
const MOST_FINDINGS = 10_000;

/** Who is told. */
export interface Listening {
  readonly onFinding?: ((finding: TraceFinding) => unknown) | undefined;
  readonly onError?: OnTraceError | undefined;
}

type Counts = { -readonly [key in keyof ToolCounts]: number };

/** One trace that is being read. */
export class TraceAnalysis {
  readonly #detectors: readonly { name: string; hear: ReturnType<TraceDetector["start"]> }[];
  readonly #listening: Listening;
  readonly #sightings = new Sightings();
  readonly #tools = new Map<string, Counts>();
  readonly #otherTools: Counts = { calls: 0, errors: 0, unknown: 0 };
  readonly #findings: TraceFinding[] = [];
  #otherFindings = 0;
  #calls = 0;

  constructor(detectors: readonly TraceDetector[], listening: Listening) {
    this.#detectors = detectors.map((detector) => ({ name: detector.name, hear: detector.start() }));
    this.#listening = listening;
  }

  /** Takes one span. Never throws. */
  see(value: unknown): void {
    const span = spanOf(value);
    if (!span) complain(new TypeError(NO_SPAN), this.#listening.onError);
    else if (this.#sightings.first(span.id)) this.#take(span);
  }

  /** What was told so far. */
  report({ available, unread, missed }: { available: boolean; unread: number; missed: number }): TraceReport {
    const beyond = { tools: { ...this.#otherTools }, findings: this.#otherFindings };
    if (!available || (this.#calls === 0 && unread > 0)) {
      return { calls: "unavailable", tools: "unavailable", findings: "unavailable", unread, missed, beyond };
    }
    const tools = [...this.#tools].map(([tool, counts]) => ({ tool, ...counts }));
    return { calls: this.#calls, tools, findings: [...this.#findings], unread, missed, beyond };
  }

  #take(span: ToolSpan): void {
    const position = this.#calls++;
    const tool = bookableText(span.name);
    this.#count(tool, span.status);
    const digest = digestOfArguments(span.args);
    const call = { span, tool, position, fingerprint: digest === undefined ? undefined : `${tool}\n${digest}` };
    const id = span.id === undefined ? {} : { id: bookableText(span.id) };
    const found = this.#detectors.flatMap(({ name, hear }): TraceFinding[] => {
      const { streak, first = position, tool: of } = this.#asked(() => hear(call)) ?? {};
      if (typeof streak !== "number") return [];
      return [{ detector: name, streak, ...(of === undefined ? {} : { tool: of }), first, position, ...id }];
    });
    // All are kept before anybody is told: who hears of one may push the next span.
    for (const finding of found) this.#keep(finding);
    const { onFinding, onError } = this.#listening;
    if (onFinding) for (const finding of found) tell(() => onFinding(finding), onError);
  }

  #count(tool: string, status: string | undefined): void {
    let counts = this.#tools.get(tool);
    if (!counts && this.#tools.size < MOST_TOOLS) {
      counts = { calls: 0, errors: 0, unknown: 0 };
      this.#tools.set(tool, counts);
    }
    counts ??= this.#otherTools;
    counts.calls += 1;
    if (status === "error") counts.errors += 1;
    if (status === undefined) counts.unknown += 1;
  }

  #keep(finding: TraceFinding): void {
    if (this.#findings.length < MOST_FINDINGS) this.#findings.push(finding);
    else this.#otherFindings += 1;
  }

  /** A detector that throws has found nothing. */
  #asked(ask: () => CallStreak | undefined): CallStreak | undefined {
    try {
      return ask();
    } catch (error) {
      complain(error, this.#listening.onError);
      return undefined;
    }
  }
}
