/**
 * What the reference model remembers: pools with their channels, nodes, spend events and journal rows.
 *
 * Everything is plain data, so that a rejected batch is undone by going back to a copy.
 */
import type { Amount } from "./amounts.js";

export type PoolState = "open" | "frozen" | "closed";
export type NodeStatus = "pending" | "dispatched" | "done" | "down" | "cancelled" | "expired";
export type TokenCharge = "total" | "uncached";
export type UnknownUsd = "seal" | "flag";

/** One quantity of a pool. What `ledger.channels` shows is derived from it (channels.ts). */
export interface Channel {
  readonly name: string;
  readonly capped: boolean;
  /** The pool that pays: this one, one above, or nobody. */
  readonly payer: string | null;
  total: Amount;
  reserved: Amount;
  /** All spend booked here, without the remainder a seal adds. */
  spent: Amount;
  /** The part of `spent` without a receipt. */
  uncertain: Amount;
  /** Uncorrected events with unknown usage. */
  unknown: number;
  /** Uncorrected events that seal the channel; kept on the payer's row only. */
  seals: number;
}

export interface Pool {
  readonly id: string;
  readonly parentId: string | null;
  readonly runId: string | null;
  readonly tokenCharge: TokenCharge;
  readonly unknownUsd: UnknownUsd;
  readonly deadlineAt: number | null;
  /** How many drivers may still stand below one another; null is unbounded. */
  readonly depthLeft: number | null;
  readonly channels: Map<string, Channel>;
  state: PoolState;
  seq: number;
  /** Children it has had, for derived ids. */
  children: number;
  /** The cursor the next delivery gets. */
  cursor: number;
}

export interface Node {
  readonly id: string;
  /** The pool its hold is in; null for the node of a pool without a parent. */
  readonly poolId: string | null;
  readonly ownsPool: boolean;
  readonly label: string;
  readonly key: string | null;
  readonly isRun: boolean;
  /** The budget as asked for, in canonical text. */
  readonly budgetText: string;
  /** What its key stands for, where that was stated. */
  readonly taskRef: string | null;
  readonly declared: ReadonlyMap<string, Amount>;
  status: NodeStatus;
  wasDispatched: boolean;
  leaseUntil: number | null;
  /** The spend event of a leaf that ended. */
  eventId: number | null;
  /** Where its terminal row stands in the pool of its hold. */
  terminalSeq: number | null;
  delivered: boolean;
  outRef: string | null;
}

/** Usage as the journal records it. */
export interface Usage {
  readonly iterations: Amount;
  readonly inputTokens: Amount;
  readonly outputTokens: Amount;
  readonly cacheReadTokens: Amount;
  readonly cacheWriteTokens: Amount;
  /** The part of the cache writes that was for an hour. */
  readonly cacheWriteHourTokens: Amount;
  readonly reasoningTokens: Amount;
  readonly chargedTokens: Amount;
  /** Null where dollars are unknown and nothing was charged for them. */
  readonly usd: Amount | null;
  readonly ms: Amount;
  readonly tokensKnown: boolean;
  readonly usdKnown: boolean;
  readonly resources: ReadonlyMap<string, Amount>;
}

/** What an event, or the change of one, does to one channel. */
export interface Movement {
  readonly spent: Amount;
  readonly uncertain: Amount;
  readonly unknown: number;
  /** Unknown dollars nobody declared a ceiling for. */
  readonly seals: number;
}

export type Movements = ReadonlyMap<string, Movement>;

/** A spend as evaluated for one pool and the ceilings of one node. */
export interface Charge {
  readonly usage: Usage;
  readonly movements: Movements;
}

/** Usage of one call or model that an event spans, uncharged. */
export interface UsageLine {
  readonly model: string | null;
  readonly usage: Usage;
}

/** One spend of a driver (no node) or a leaf, with all its corrections applied. */
export interface SpendEvent {
  readonly id: number;
  readonly poolId: string;
  readonly nodeId: string | null;
  readonly declared: ReadonlyMap<string, Amount>;
  charge: Charge;
  /** Who was called, as the operation that booked it said. */
  called?: { readonly provider?: unknown; readonly model?: unknown };
  /** As they were stated last. */
  lines: readonly UsageLine[];
}

export interface JournalRow {
  readonly poolId: string;
  readonly seq: number;
  readonly kind: string;
  readonly operationId: string;
  readonly nodeId: string | null;
}

/** The kept answer of an operation, and the events it may be corrected by. */
export interface KeptOperation {
  readonly content: string;
  readonly code: string | null;
  readonly result: Record<string, unknown>;
  readonly events: readonly number[];
}

/** A driver's own call, announced before it was made. */
export interface Announced {
  readonly poolId: string;
  readonly seq: number;
  readonly meterId: string;
}

export interface Refusal {
  readonly poolId: string;
  readonly operationId: string;
  readonly code: string;
}

/** Where a run of an experiment stands, and whether its infrastructure failed it. */
export interface Run {
  readonly id: string;
  readonly experiment: string;
  readonly arm: string;
  readonly task: string | null;
  readonly replicate: string | null;
  infra: boolean;
}

export interface State {
  /** Those of experiments. */
  readonly runs: Map<string, Run>;
  readonly pools: Map<string, Pool>;
  readonly nodes: Map<string, Node>;
  readonly events: SpendEvent[];
  readonly journal: JournalRow[];
  readonly announced: Announced[];
  readonly operations: Map<string, KeptOperation>;
  readonly refusals: Refusal[];
}

export function emptyState(): State {
  return {
    runs: new Map(),
    pools: new Map(),
    nodes: new Map(),
    events: [],
    journal: [],
    announced: [],
    operations: new Map(),
    refusals: [],
  };
}

/** The operation at work: its identity, its instant, and the events it books. */
export interface Context {
  readonly state: State;
  readonly operationId: string;
  readonly at: number;
  /** Events that `correct` may reach through this operation's id. */
  readonly events: number[];
}

/** Appends a journal row under the pool's next dense number. */
export function writeRow(context: Context, pool: Pool, kind: string, nodeId: string | null = null): number {
  pool.seq += 1;
  const { operationId } = context;
  context.state.journal.push({ poolId: pool.id, seq: pool.seq, kind, operationId, nodeId });
  return pool.seq;
}

/** The pool of that id, which the caller knows to exist. */
export function poolOf(state: State, id: string): Pool {
  const pool = state.pools.get(id);
  if (pool === undefined) throw new Error(`no pool ${id} in the model`);
  return pool;
}

/** The node of that id, which the caller knows to exist. */
export function nodeOf(state: State, id: string): Node {
  const node = state.nodes.get(id);
  if (node === undefined) throw new Error(`no node ${id} in the model`);
  return node;
}

/** The pool and all above it, nearest first. */
export function lineage(state: State, pool: Pool): Pool[] {
  const line = [pool];
  for (let above = pool.parentId; above !== null; ) {
    const next = poolOf(state, above);
    line.push(next);
    above = next.parentId;
  }
  return line;
}

/** Nodes whose hold is, or was, in that pool, by id. */
export function childrenOf(state: State, poolId: string): Node[] {
  return [...state.nodes.values()]
    .filter((node) => node.poolId === poolId)
    .sort((left, right) => (left.id < right.id ? -1 : 1));
}

export function isOpen(node: Node): boolean {
  return node.status === "pending" || node.status === "dispatched";
}
