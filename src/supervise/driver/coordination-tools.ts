/** The tools of a coordination driver, all on one scope. */
import { z } from "zod";
import { LedgerError } from "../../ledger/errors.js";
import { parse } from "../../ledger/schemas.js";
import type { Question } from "../mailbox.js";
import type { Scope } from "../scope.js";
import { awaitEventTool } from "./await-event.js";
import { type Ending, endingTools, type ResultCheck } from "./ending-tools.js";
import { questionTools } from "./question-tools.js";
import { type ChatToolImplementation, callTool } from "./tool.js";
import { callable, toolFields } from "./tool-options.js";
import { type WorkerToolsOptions, workerTools } from "./worker-tools.js";

/** A driver's names for its own tools; no work tool may have one of them. */
export const COORDINATION_TOOLS: readonly string[] = [
  ...["spawn_worker", "observe_worker", "steer_worker", "await_event", "list_questions", "answer_question"],
  ...["ask_parent", "submit_result", "stop"],
];

/** How long await_event waits where nothing is said: long, because every answer of it costs a model call. */
export const AWAIT_MS = 300_000;

/** What the tools work on. */
export interface CoordinationToolsOptions extends WorkerToolsOptions {
  /** Without it submit_result is not offered. */
  readonly check?: ResultCheck | undefined;
  /** Work tools, which the model sees beside the others. */
  readonly tools?: readonly ChatToolImplementation[] | undefined;
  /** The longest wait of await_event, in ms. Default 300,000. */
  readonly awaitMs?: number | undefined;
  /** Told of replies to what was asked above. */
  readonly onReply?: ((question: Question) => void) | undefined;
  /** Aborted where a message has come or comes for the driver: it ends a wait of await_event. Asked anew for every wait. */
  readonly interruption?: (() => AbortSignal) | undefined;
}

/** The tools, and what the model did with them. */
export interface CoordinationTools {
  readonly tools: readonly ChatToolImplementation[];
  /** Runs a tool with the arguments as the model wrote them. Never throws: mistakes are error objects, `{ error, … }`. */
  call(name: string, argumentsText: string): Promise<unknown>;
  /** How the model ended its work; undefined while it has not. */
  ending(): Ending | undefined;
}

const schema = z.strictObject({
  scope: z.custom((value) => typeof (value as Partial<Scope> | null | undefined)?.spawn === "function", {
    error: "must be the scope that act is called with",
  }),
  ...toolFields,
  onReply: callable.optional(),
  interruption: callable.optional(),
});

/**
 * The coordination tools and the work tools of one driver.
 * @throws {LedgerError} LG001 where an option is malformed, or a work tool has the name of a coordination tool, or of another.
 */
export function createCoordinationTools(options: CoordinationToolsOptions): CoordinationTools {
  parse(schema, options, "options");
  const { scope, check, tools: workTools = [], awaitMs = AWAIT_MS, onReply, interruption } = options;
  assertNoShadows(workTools);
  let ending: Ending | undefined;
  const awaited = new Set<object>();
  const noMessages = new AbortController().signal;
  const tools = [
    ...workerTools(options),
    awaitEventTool({
      scope,
      awaitMs,
      interruption: interruption ?? (() => noMessages),
      expectsReply: () => awaited.size > 0,
    }),
    ...questionTools(scope, { awaited, onReply: (question) => onReply?.(question) }),
    ...endingTools(scope.mailbox, check, (how) => {
      ending ??= how;
    }),
    ...workTools,
  ];
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  return {
    tools,
    call: (name, argumentsText) => callTool(byName, { name, arguments: argumentsText }, scope.signal),
    ending: () => ending,
  };
}

/** @throws {LedgerError} LG001 where a work tool has the name of a coordination tool, or two have one name. */
export function assertNoShadows(tools: readonly ChatToolImplementation[]): void {
  const names = new Set(COORDINATION_TOOLS);
  tools.forEach(({ name }, place) => {
    if (names.has(name)) {
      const path = `tools.${place}.name`;
      const rule = COORDINATION_TOOLS.includes(name) ? "is the name of a coordination tool" : "is there twice";
      throw new LedgerError("LG001", `${path}: ${name} ${rule}`, { detail: { path, rule } });
    }
    names.add(name);
  });
}
