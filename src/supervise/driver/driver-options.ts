/** What a coordination driver is made of, checked when it is made. */
import { z } from "zod";
import type { Amount } from "../../ledger/protocol.js";
import { dollars, id, parse } from "../../ledger/schemas.js";
import type { PerWorker } from "../scope.js";
import type { DriverChat } from "./chat.js";
import type { Compaction } from "./compaction.js";
import { assertNoShadows } from "./coordination-tools.js";
import type { ResultCheck } from "./ending-tools.js";
import type { ChatToolImplementation } from "./tool.js";
import { callable, toolFields, whole } from "./tool-options.js";
import type { Profile } from "./worker-tools.js";

/** A driver. */
export interface CoordinationDriverOptions<Task = unknown> {
  readonly name: string;
  readonly chat: DriverChat;
  /** What the model is told of its role, instead of the usual. */
  readonly system?: string | undefined;
  /** The task as the model reads it. Default: a text as it is, anything else as JSON. */
  readonly renderTask?: ((task: Task) => string) | undefined;
  /** Whom it can give work to, by the name the model uses. */
  readonly profiles: Readonly<Record<string, Profile>>;
  /** Ceilings of a worker unless the model asks for others; what is left of the budget is compared with them before every turn. */
  readonly perWorker: PerWorker;
  /** Model calls at most, through all lives of the driver, compactions not counted. Default 16; 0 = as many as the pool pays for. */
  readonly maxTurns?: number | undefined;
  /** Offers submit_result; what it accepts is the driver's result, with the verdict of the check. */
  readonly check?: ResultCheck | undefined;
  /** Work tools beside the coordination tools, under other names. */
  readonly tools?: readonly ChatToolImplementation[] | undefined;
  readonly compaction?: Compaction | undefined;
  /** The longest wait of await_event in ms. Default 300,000. */
  readonly awaitMs?: number | undefined;
  /** What one model call can cost at most: booked for a call that was under way when the process was lost. */
  readonly maxUsdPerCall?: Amount | undefined;
}

const DEFAULT_MAX_TURNS = 16;

const chat = z.custom((value) => typeof (value as Partial<DriverChat> | null | undefined)?.complete === "function", {
  error: "must be a chat: an object with a function complete",
});
const schema = z.strictObject({
  name: id,
  chat,
  system: z.string().optional(),
  renderTask: callable.optional(),
  ...toolFields,
  maxTurns: whole.optional(),
  compaction: z
    .strictObject({
      aboveTokens: whole,
      keepLast: whole.optional(),
      instructions: z.string().optional(),
      chat: chat.optional(),
    })
    .optional(),
  maxUsdPerCall: dollars.optional(),
});

/**
 * The options, with `maxTurns` as it counts.
 * @throws {LedgerError} LG001 with path and rule.
 */
export function checkedOptions<Task>(
  options: CoordinationDriverOptions<Task>,
): CoordinationDriverOptions<Task> & { readonly maxTurns: number } {
  parse(schema, options, "options");
  assertNoShadows(options.tools ?? []);
  const { maxTurns = DEFAULT_MAX_TURNS } = options;
  return { ...options, maxTurns: maxTurns === 0 ? Number.POSITIVE_INFINITY : maxTurns };
}
