/** Where a driver works: its pool, its children, its budget. What it knows is in the ledger; a restart reads it again. */
import type { Amount, Budget, Spend } from "../ledger/protocol.js";
import type { Readout } from "../ledger/readout.js";
import type { Spawnable } from "./agent.js";
import type { Verdict } from "./executor.js";
import type { Mailbox } from "./mailbox.js";
import type { Handle, Pending, Settled, Spawned, Spent } from "./settled.js";

/** How to spawn. */
export interface SpawnOptions {
  /** Ceilings by channel; a channel left out is undeclared, which is not 0. */
  readonly budget: Budget;
  readonly label: string;
  /** Names the work: done, it is not done again; under way, it is not done twice. */
  readonly key?: string;
  /** Default: the run's. Renewed while this process lives. */
  readonly leaseMs?: number;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Which model call of a driver it is. */
export interface TurnDetail {
  readonly kind: "driver-inference" | "driver-compaction";
  /** The driver's name. */
  readonly driver: string;
  /** From 0, through all lives of the driver; a compaction has the number of the turn that it precedes. */
  readonly turn: number;
  /** Names of the tools the model called. */
  readonly toolCalls: readonly string[];
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  readonly providerRequestId?: string | undefined;
  /** Why the call failed, where it did. */
  readonly inferenceFailed?: string | undefined;
  /** What `dispatchCall` answered for this call. */
  readonly call?: string | undefined;
}

/** What a meter booked. */
export interface Metered {
  readonly seq: number | null;
  /** What a later correction names. */
  readonly operationId: string;
  /** Whether the dollars are a receipt, an estimate from the tenant's price book, or unknown. */
  readonly usd: "receipt" | "estimate" | "unknown";
}

/** A node of the run's tree. */
export interface TreeNode {
  readonly nodeId: string;
  /** Null for the run itself. */
  readonly parentId: string | null;
  readonly depth: number;
  readonly label: string;
  readonly runtime: string | null;
  readonly key: string | null;
  readonly driver: boolean;
  /** pending, dispatched, done, down, cancelled, expired. */
  readonly status: string;
  readonly verdict: Verdict | null;
  readonly outRef: string | null;
  readonly reason: string | null;
  readonly infra: boolean;
  /** Its own spend, and that of all below it included. */
  readonly own: Spent;
  readonly rolledUp: Spent;
}

/** A direct child as the ledger knows it. */
export interface Child extends Handle {
  readonly status: string;
  readonly verdict: Verdict | undefined;
  readonly outRef: string | null;
  readonly reason: string | null;
  /** Place of its end in the pool's journal, so that ends are ordered; null while it has not ended. */
  readonly terminalSeq: number | null;
  /** Null while it has not ended. */
  readonly spent: Spent | null;
}

/** Model calls that the ledger has of this scope's driver. */
export interface Turns {
  /** Turns metered so far (compactions not counted): the next turn's number. */
  readonly next: number;
  /** How many of the last model calls, in a row, reported no usage. */
  readonly silent: number;
  /** The dearest call so far, in dollars; null where none is known. */
  readonly dearestUsd: string | null;
}

/** Last activity of a child of this process. */
export interface Progress {
  readonly lastActivityMs: number;
  /** True where nothing was heard for longer than the run's `stalledMs`. */
  readonly stalled: boolean;
  readonly note: unknown;
}

/** A driver's scope. */
export interface Scope {
  readonly runId: string;
  /** The node that drives here; its pool has the same id. */
  readonly nodeId: string;
  /** Drivers above this one; the run's root has 0. */
  readonly depth: number;
  /** Aborts when the run, a driver above or this one is to end. */
  readonly signal: AbortSignal;
  /** Questions and findings from below, and the way up. */
  readonly mailbox: Mailbox;

  /**
   * Gives work to a child: room is reserved, the executor made, the work begun. Refused work constructs nothing. In this order: aborted,
   * key, depth, live-worker cap, ledger.
   * @throws {LedgerError} where an argument is malformed or the ledger cannot be reached.
   */
  spawn<Task>(agent: Spawnable<Task>, task: Task, options: SpawnOptions): Promise<Spawned>;
  /**
   * The next settlement, each exactly once, in the order of delivery; a finished child before one still at work. Null when none is left.
   * With `withinMs`, `pending` when that time has passed first; no settlement is lost by it.
   */
  next(): Promise<Settled | null>;
  next(options: { readonly withinMs: number }): Promise<Settled | Pending | null>;
  /** Gives a message to a live child; true only where its inbox takes it. */
  send(nodeId: string, message: unknown): Promise<boolean>;
  /** Takes messages that are sent to this driver, from now on; false refuses one. Without it, all are refused. */
  onMessage(take: (message: unknown) => boolean): void;
  /**
   * Records that the provider may bill a model call from here on; answers what `meter` takes as `call`. `maxUsd`: what it can cost at
   * most, booked should this process end before it is metered.
   */
  dispatchCall(
    detail: Omit<TurnDetail, "call" | "inferenceFailed" | "toolCalls"> & { readonly maxUsd?: Amount | undefined },
  ): Promise<string>;
  /**
   * Books one model call of the driver: one `metered` row and one `agent.turn` event, never refused for lack of funds. Null = a chat that
   * infers nothing (`inference: "none"`): the event alone. `iterations` is 0.
   */
  meter(spend: Spend | null, detail: TurnDetail): Promise<Metered | null>;
  /** Balances and deadline now. */
  budget(): Promise<Readout>;
  /** The tree below this driver now, itself first. */
  view(): Promise<TreeNode[]>;
  /** Direct children, in the order of their spawning, also those of earlier lives. */
  children(): Promise<Child[]>;
  child(nodeId: string): Promise<Child | undefined>;
  /** The artifact of a child that left one. */
  output(child: Pick<Child, "outRef">): Promise<unknown>;
  turns(): Promise<Turns>;
  /** Direct children that have not ended, those of an earlier life included. */
  live(): number;
  /** Undefined for a child that is not at work in this process. */
  progress(nodeId: string): Progress | undefined;
  /** Aborts one child; its end comes through `next` like any other. False where it is not live here. */
  cancel(nodeId: string, reason: string): boolean;
  /** Says that the driver stops because its budget cannot pay for more. Without a result the run then ends `budget-exhausted`. */
  starve(): void;
  /** States the verdict of the result that the driver is going to resolve with. Without it, the verdict is that of its best child. */
  conclude(verdict: Verdict): void;
}

/** Ceilings that a driver gives a worker unless it asks for others. */
export interface PerWorker {
  readonly maxTokens?: Amount;
  readonly maxIterations?: Amount;
  readonly maxUsd?: Amount;
}
export type { Handle, Settled, Spawned };
