/** How to run: what `createSupervisor` and its `run` may be given, checked before anything is written. */
import { z } from "zod";
import type { Ledger } from "../../ledger/ledger.js";
import type { Budget } from "../../ledger/protocol.js";
import * as schemas from "../../ledger/schemas.js";
import type { Hook, HookEvent } from "../hooks.js";
import type { Question, Reply } from "../mailbox.js";

/** What a supervisor is made of. */
export interface SupervisorOptions {
  readonly ledger: Ledger;
  /** Told of what happens, in this order. */
  readonly hooks?: readonly Hook[];
  /** Hears what a hook threw or rejected with. */
  readonly onHookError?: (error: unknown, event: HookEvent) => void | Promise<void>;
  /** Answers questions that the root driver escalates; without it nobody does. */
  readonly ask?: (question: Question) => Reply | Promise<Reply>;
}

const milliseconds = z.number().int().positive();
const someOrNone = z.number().int().nonnegative();
const { parentPoolId, unknownUsd, tokenCharge, tags, run } = schemas.openPoolOptions.shape;
const { experiment, arm, task, replicate } = run.unwrap().shape;
const functions = z.custom((value) => typeof value === "function", { error: "must be a function" });

export const supervisorOptions = z.strictObject({
  ledger: z.custom((value) => typeof (value as Partial<Ledger> | undefined)?.openPool === "function", {
    error: "must be a ledger, as createLedger makes it",
  }),
  hooks: z.array(functions).readonly().optional(),
  onHookError: functions.optional(),
  ask: functions.optional(),
});

export const runOptions = z.strictObject({
  runId: schemas.id,
  label: schemas.id.optional(),
  budget: schemas.budget,
  experiment,
  arm,
  task,
  replicate,
  parentPoolId,
  unknownUsd,
  tokenCharge,
  tags,
  deadlineMs: milliseconds.optional(),
  maxDepth: someOrNone.default(4),
  maxLiveWorkers: milliseconds.optional(),
  leaseMs: milliseconds.default(60_000),
  settleGraceMs: someOrNone.default(0),
  teardownGraceMs: someOrNone.default(5_000),
  stalledMs: milliseconds.default(300_000),
  restarts: z.strictObject({ maxRestarts: someOrNone, withinMs: milliseconds }).optional(),
  signal: z.custom((value) => value instanceof AbortSignal, { error: "must be an AbortSignal" }).optional(),
  resume: z.boolean().default(false),
});

/** The options of a run, checked, with defaults filled in. */
export type CheckedRun = Omit<z.output<typeof runOptions>, "budget" | "signal"> & {
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
};

/** Options of `run`. Durations are milliseconds. */
export interface RunOptions {
  /** The run's id; its root node and its pool have the same. */
  readonly runId: string;
  /** Default: the run's id. */
  readonly label?: string;
  /** Totals of the run's pool, by channel; a channel left out is only observed. */
  readonly budget: Budget;
  readonly experiment?: string;
  readonly arm?: string;
  readonly task?: string;
  readonly replicate?: string | number;
  /** The pool that the totals are reserved from. */
  readonly parentPoolId?: string;
  /** From the first start; kept as an instant, which a resume does not move. */
  readonly deadlineMs?: number;
  /** Drivers below one another, the root not counted; default 4. */
  readonly maxDepth?: number;
  /** Leaf workers at work at once, in the whole run; default: no cap. */
  readonly maxLiveWorkers?: number;
  readonly unknownUsd?: "seal" | "flag";
  readonly tokenCharge?: "total" | "uncached";
  readonly tags?: Readonly<Record<string, string>>;
  /** Lease of every child that asks for no other; default 60 s. */
  readonly leaseMs?: number;
  /** How long children may go on when the driver has its result, at most until the deadline; default 0. */
  readonly settleGraceMs?: number;
  /** How long aborted work, and the driver itself, may take to stop; default 5 s. */
  readonly teardownGraceMs?: number;
  /** After this long without a sign of life a child counts as stalled; default 5 minutes. */
  readonly stalledMs?: number;
  /** More children down than this within this time end the run. */
  readonly restarts?: { readonly maxRestarts: number; readonly withinMs: number };
  /** Aborts the run. */
  readonly signal?: AbortSignal;
  /** Goes on with a run that was started before, in whatever process; starts it where there is none. */
  readonly resume?: boolean;
}
