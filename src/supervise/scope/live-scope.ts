/** A scope at work: the verbs of a driver on one pool. The root of a run and a driver below it have the same. */
import { z } from "zod";
import { canonicalDecimal } from "../../ledger/amounts.js";
import type { BudgetPool } from "../../ledger/budget-pool.js";
import { LedgerError } from "../../ledger/errors.js";
import type { Spend } from "../../ledger/protocol.js";
import type { Readout } from "../../ledger/readout.js";
import { dollars, parse } from "../../ledger/schemas.js";
import type { Spawnable } from "../agent.js";
import type { Verdict } from "../executor.js";
import { createMailbox, type Mailbox } from "../mailbox.js";
import type { Child, Metered, Progress, Scope, SpawnOptions, TreeNode, TurnDetail, Turns } from "../scope.js";
import type { Pending, Settled, Spawned } from "../settled.js";
import { bookable } from "./bookable.js";
import { Delivery } from "./delivery.js";
import { LiveChildren } from "./live-children.js";
import { meter, purposeOf } from "./metering.js";
import { Others } from "./others.js";
import { childOf, childrenOf, endOf } from "./reading.js";
import type { RunContext } from "./run-context.js";
import { Spawning } from "./spawning.js";
import { treeOf } from "./tree.js";
import { turnsOf } from "./turns.js";

/** Where a scope stands. */
export interface ScopePlace {
  readonly nodeId: string;
  readonly depth: number;
  /** Ends the scope when it aborts. */
  readonly signal: AbortSignal;
  readonly parentMailbox?: Mailbox | undefined;
}

/** A scope as whoever runs its driver sees it. */
export interface LiveScope extends Scope {
  /** Whether the driver said that its budget cannot pay for more. */
  readonly starved: boolean;
  /** What the driver said of its own result; undefined where its children say it. */
  readonly verdict: Verdict | undefined;
  /** When something was last heard of here or below, in ms since 1970. */
  readonly lastActivityMs: number;
  /** A message from above, given to the driver; false where it takes none. */
  receive(message: unknown): boolean;
  /** Waits until the children of this process have ended by themselves; false where `ms` have passed first. */
  settleWithin(ms: number): Promise<boolean>;
  /**
   * Aborts the scope: all children at work in this process, and all below them. Fulfils when their ends are booked and their teardowns
   * over, each within `graceMs`.
   * @throws {LedgerError} where an end could not be booked; asked again, it is tried again. Else its lease ends it.
   */
  drain(reason: unknown, graceMs: number): Promise<void>;
  /** Called when the driver's act is over: nothing is spawned here any more (`scope-aborted`). What is at work goes on until `drain`. */
  close(): void;
}

const withinOptions = z.strictObject({ withinMs: z.number().nonnegative() }).optional();

/** A scope on the pool of a driver. Reads which children of an earlier life are open. */
export async function createScope(context: RunContext, place: ScopePlace): Promise<LiveScope> {
  const scope = new ScopeOfPool(context, place);
  await scope.open();
  return scope;
}

class ScopeOfPool implements LiveScope {
  readonly runId: string;
  readonly nodeId: string;
  readonly depth: number;
  readonly signal: AbortSignal;
  readonly mailbox: Mailbox;
  starved = false;
  verdict: Verdict | undefined;
  readonly #context: RunContext;
  readonly #pool: BudgetPool;
  readonly #children: LiveChildren;
  readonly #others: Others;
  readonly #delivery: Delivery;
  readonly #spawning: Spawning;
  readonly #spawns = new Set<Promise<unknown>>();
  readonly #controller = new AbortController();
  #take: ((message: unknown) => boolean) | undefined;
  #unfollow: () => void = () => {};
  #closed = false;
  #lastActivityMs = Date.now();

  constructor(context: RunContext, { nodeId, depth, signal, parentMailbox }: ScopePlace) {
    this.#context = context;
    this.runId = context.runId;
    this.nodeId = nodeId;
    this.depth = depth;
    this.signal = this.#controller.signal;
    this.mailbox = createMailbox(parentMailbox);
    this.#pool = context.ledger.pool(nodeId);
    this.#children = new LiveChildren(context, nodeId);
    this.#others = new Others(context, nodeId, this.#children.changes);
    this.#delivery = new Delivery(context.ledger, nodeId);
    this.#spawning = new Spawning({
      context,
      pool: this.#pool,
      depth,
      signal: this.signal,
      children: this.#children,
      refuses: () => this.#closed || this.signal.aborted,
      mount: (below) => createScope(context, { ...below, parentMailbox: this.mailbox }),
    });
    this.#follow(signal);
  }

  async open(): Promise<void> {
    await this.#others.find();
  }

  get lastActivityMs(): number {
    return Math.max(this.#lastActivityMs, this.#children.lastActivityMs());
  }

  async spawn<Task>(agent: Spawnable<Task>, task: Task, options: SpawnOptions): Promise<Spawned> {
    this.#touch();
    const spawning = this.#spawning.spawn(agent, task, options);
    this.#spawns.add(spawning);
    return spawning.finally(() => this.#spawns.delete(spawning));
  }

  next(): Promise<Settled | null>;
  next(options: { readonly withinMs: number }): Promise<Settled | Pending | null>;
  async next(options?: { readonly withinMs: number }): Promise<Settled | Pending | null> {
    const { withinMs = Number.POSITIVE_INFINITY } = parse(withinOptions, options, "options") ?? {};
    const until = performance.now() + withinMs;
    const { changes } = this.#children;
    for (;;) {
      this.#touch();
      await this.#children.bookAgain();
      const seen = changes.count;
      const settled = await this.#delivery.take();
      if (settled) {
        await this.#others.delivered(settled.handle.nodeId);
        return settled;
      }
      if (changes.count !== seen) continue;
      // Others are not waited for once this scope is to end: their leases may be long.
      const others = this.signal.aborted ? 0 : this.#others.size;
      if (this.#children.size + others === 0) return null;
      const left = until - performance.now();
      if (left <= 0) return { kind: "pending", live: this.live() };
      const look = others === 0 ? Number.POSITIVE_INFINITY : this.#others.waitMs();
      await changes.after(seen, Math.min(left, look));
      if (changes.count === seen && look <= left) await this.#others.look();
    }
  }

  async send(nodeId: string, message: unknown): Promise<boolean> {
    this.#touch();
    return this.#children.deliver(nodeId, message);
  }

  onMessage(take: (message: unknown) => boolean): void {
    this.#take = take;
  }

  receive(message: unknown): boolean {
    try {
      return !this.#closed && !this.signal.aborted && this.#take?.(message) === true;
    } catch {
      return false;
    }
  }

  async dispatchCall(detail: Parameters<Scope["dispatchCall"]>[0]): Promise<string> {
    this.#touch();
    const { kind, driver, turn, provider, model } = detail;
    // Booked should the call be lost: what could not be booked then is refused now.
    const maxUsd = parse(dollars.optional(), detail.maxUsd, "detail.maxUsd");
    const purpose = purposeOf({ kind, inferenceFailed: undefined });
    const ceiling = maxUsd !== undefined && { max_usd: canonicalDecimal(maxUsd) };
    return this.#pool.announce({ turn, provider, model, purpose, detail: { kind, driver, turn, model, ...ceiling } });
  }

  meter(spend: Spend | null, detail: TurnDetail): Promise<Metered | null> {
    this.#touch();
    return meter(this.#context, this.nodeId, bookable(spend), detail);
  }

  budget(): Promise<Readout> {
    return this.#pool.readout();
  }

  view(): Promise<TreeNode[]> {
    return treeOf(this.#context.ledger, this.runId, this.nodeId);
  }

  children(): Promise<Child[]> {
    return childrenOf(this.#context.ledger, this.nodeId);
  }

  async child(nodeId: string): Promise<Child | undefined> {
    const end = await endOf(this.#context.ledger, this.nodeId, nodeId).catch((error: unknown) => {
      if (error instanceof LedgerError && error.code === "LG003") return undefined;
      throw error;
    });
    return end && childOf(end);
  }

  async output({ outRef }: Pick<Child, "outRef">): Promise<unknown> {
    return outRef === null ? undefined : (await this.#context.ledger.artifact(outRef)).artifact;
  }

  turns(): Promise<Turns> {
    return turnsOf(this.#context.ledger, this.nodeId);
  }

  live(): number {
    return this.#children.size + this.#others.size;
  }

  progress(nodeId: string): Progress | undefined {
    return this.#children.progress(nodeId);
  }

  cancel(nodeId: string, reason: string): boolean {
    return this.#children.abort(nodeId, reason);
  }

  starve(): void {
    this.starved = true;
  }

  conclude(verdict: Verdict): void {
    this.verdict = verdict;
  }

  settleWithin(ms: number): Promise<boolean> {
    return this.#children.settleWithin(ms);
  }

  async drain(reason: unknown, graceMs: number): Promise<void> {
    this.#children.graceMs = graceMs;
    this.#abort(reason);
    // A spawn that the ledger is still asked about begins only to be ended.
    await Promise.allSettled([...this.#spawns]);
    await this.#children.gone();
  }

  close(): void {
    this.#closed = true;
  }

  #touch(): void {
    this.#lastActivityMs = Date.now();
  }

  #follow(signal: AbortSignal): void {
    const onAbort = (): void => this.#abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    this.#unfollow = () => signal.removeEventListener("abort", onAbort);
  }

  #abort(reason: unknown): void {
    this.#unfollow();
    this.#controller.abort(reason);
    this.#children.abortAll(this.signal.reason);
  }
}
