/** What all scopes of one run share. Nothing in it outlives the process. */
import type { Ledger } from "../../ledger/ledger.js";
import type { HookEvent } from "../hooks.js";
import type { LiveWorkers } from "./live-workers.js";

/** Made once per run by the supervisor. */
export interface RunContext {
  readonly ledger: Ledger;
  readonly runId: string;
  /** Drivers below one another, counted from the root, which has 0. */
  readonly maxDepth: number;
  /** Leaf workers at work at once in the whole run; undefined = no cap. */
  readonly maxLiveWorkers: number | undefined;
  /** Of every hold, unless a spawn says otherwise. */
  readonly leaseMs: number;
  /** How long an aborted child, and a teardown, may take. */
  readonly graceMs: number;
  /** A child that was not heard of for longer counts as stalled. */
  readonly stalledMs: number;
  /** Live leaf workers of the run. */
  readonly workers: LiveWorkers;
  /** Tells the hooks. Never throws. */
  emit(event: Omit<HookEvent, "timestamp">): void;
  /** Called after a child's end other than done was booked or seen. */
  onDown?(): void;
}
