/**
 * What is to be booked of a session: the difference between what its files say and what the ledger has. Pure, so that two imports
 * that see the same plan the same, and the ledger takes it once.
 */

import type { Operation } from "../../ledger/protocol.js";
import type { Booked } from "./booked.js";
import type { Call } from "./calls.js";
import type { Own, OwnChild } from "./claims.js";
import { type Correction, correctionOfCall, correctionOfChild } from "./corrections.js";
import { byModel, figuresOf, linesOf, NOTHING, PROVIDER, priceDetail, spendOf, sumOf } from "./figures.js";
import {
  correctionId,
  dispatchId,
  markOf,
  meterId,
  nodeId,
  openId,
  RUNTIME,
  settleId,
  spawnId,
  unknownDriverId,
} from "./ids.js";

/** How an import was asked to book. */
export interface Settings {
  /** Totals of a run's pool, by channel. Without it the pool is uncapped. */
  readonly budget?: Readonly<Record<string, string>>;
  /** Whether the session has come to rest, so that its children can be settled. */
  readonly settle: boolean;
  /** Operations whose time the server does not take. */
  readonly undated: ReadonlySet<string>;
  /** Children whose spawn the ledger has refused, by operation id. */
  readonly refused: ReadonlySet<string>;
}

/** One operation, and how many calls it newly books. */
export interface Step {
  readonly operation: Operation;
  readonly calls: number;
}

/** The operations in the order in which things happened, and what is left as it is for a reason. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

/** Plans a session. */
export function planSession(own: Own, booked: Booked, settings: Settings): Plan {
  return new Planner(own, booked, settings).plan();
}

/** Marks that a settled child keeps of its calls: their JSON stays below 100,000 bytes. */
const MARKS = 5_000;

/** Among operations of one instant. */
const RANK: Readonly<Record<string, number>> = { open_pool: 0, spawn: 1, dispatch: 2, meter: 3, settle: 4, correct: 5 };

class Planner {
  private readonly steps: (Step & { readonly time: number })[] = [];
  private readonly notes: string[] = [];
  /** Where things without a time of their own stand: after what was written before them. */
  private clock: number;

  constructor(
    private readonly own: Own,
    private readonly booked: Booked,
    private readonly settings: Settings,
  ) {
    this.clock = own.firstAt ?? 0;
  }

  plan(): Plan {
    const { own, settings } = this;
    this.driver();
    for (const { call, turn } of own.turns ?? []) this.meter(call, 0, { purpose: "turn", turn });
    for (const call of own.compactions) this.meter(call, 0, { purpose: "compaction" });
    for (const child of own.children) {
      if (settings.refused.has(spawnId(child.firstKey))) {
        for (const call of child.calls) this.meter(call, 1, { purpose: "turn" }, { agent: child.id });
      } else this.child(child);
    }
    // A run is opened with its first spend: a copy that adds nothing leaves no empty run.
    if (this.steps.length > 0 && this.booked.capped === undefined) this.open();
    const rank = ({ operation }: Step): number => RANK[operation.op] ?? 0;
    this.steps.sort((a, b) => a.time - b.time || rank(a) - rank(b));
    return { steps: this.steps.map(({ operation, calls }) => ({ operation, calls })), notes: this.notes };
  }

  private open(): void {
    const { id, firstAt } = this.own;
    const channels = Object.entries(this.settings.budget ?? {}).map(([name, total]) => [name, { total }]);
    const flag = channels.length > 0 ? { unknown_usd: "flag" } : {};
    const run = { label: `Claude Code ${id}` };
    const operation = {
      op: "open_pool",
      operation_id: openId(id),
      pool_id: id,
      channels: Object.fromEntries(channels),
      ...flag,
      run,
    };
    this.add(operation, { at: firstAt, time: Number.NEGATIVE_INFINITY });
  }

  /** A session whose main file is missing spent something all the same: unknown, until the file turns up. */
  private driver(): void {
    const { id, turns, firstAt } = this.own;
    const of = unknownDriverId(id);
    const entry = this.booked.metered.get(of);
    if (
      turns === undefined &&
      entry === undefined &&
      !this.booked.turns &&
      this.own.children.length + this.own.compactions.length > 0
    ) {
      const spend = spendOf({ ...NOTHING, known: false });
      this.add({ op: "meter", operation_id: of, pool_id: id, ...PROVIDER, spend }, { at: firstAt });
    } else if (turns !== undefined && entry !== undefined && !entry.figures.known) {
      const spend = spendOf({ ...NOTHING, known: true }, { usd: "0", usd_known: true });
      this.correct({ of, spend, reason: "session file found" }, entry.corrections, { at: firstAt });
    }
  }

  private meter(
    call: Call,
    iterations: number,
    as: Record<string, unknown>,
    about: Record<string, unknown> = {},
  ): void {
    const of = meterId(call.key);
    const entry = this.booked.metered.get(of);
    if (entry !== undefined) {
      const correction = correctionOfCall(entry, figuresOf(call, iterations), call.tools);
      this.correct(correction, entry.corrections, { at: call.at });
      return;
    }
    const { model, messageId, requestId } = call;
    const detail = {
      ...(messageId === undefined ? {} : { message_id: messageId }),
      ...about,
      ...priceDetail(call.usage),
    };
    const operation = {
      op: "meter",
      operation_id: of,
      pool_id: this.own.id,
      ...PROVIDER,
      ...(model === undefined ? {} : { model }),
      ...(requestId === undefined ? {} : { provider_request_id: requestId }),
      ...as,
      ...(call.tools.length === 0 ? {} : { tool_calls: call.tools.slice(0, 1_000) }),
      ...(Object.keys(detail).length === 0 ? {} : { detail }),
      spend: spendOf(figuresOf(call, iterations)),
    };
    this.add(operation, { at: call.at, calls: 1 });
  }

  private child(child: OwnChild): void {
    const node = nodeId(this.own.id, child.id);
    const sum = sumOf(child.calls);
    const lines = linesOf(child.calls);
    const booked = this.booked.children.get(node);
    if (booked?.end !== undefined) {
      const { end } = booked;
      const correction = correctionOfChild(end, child.calls, sumOf(child.written));
      if (correction === undefined) return;
      const calls = Math.max(0, sum.iterations - end.figures.iterations);
      this.correct(correction, end.corrections, {
        at: child.lastAt,
        calls,
      });
      return;
    }
    const by = booked?.spawnedBy ?? spawnId(child.firstKey);
    const from = child.spawnedAt ?? child.firstAt;
    if (booked === undefined) {
      const names = { node_id: node, label: `agent-${child.id}`, runtime: RUNTIME };
      const budget = this.ceilings({ tokens: sum.input + sum.output, iterations: sum.iterations });
      this.add({ op: "spawn", operation_id: by, pool_id: this.own.id, ...names, budget }, { at: from });
    }
    if (booked?.dispatched !== true)
      this.add({ op: "dispatch", operation_id: dispatchId(by), node_id: node }, { at: from });
    if (!this.settings.settle) return;
    const [model, ...more] = byModel(child.calls).keys();
    const only = model === undefined || more.length > 0 ? {} : { model };
    const settle = {
      op: "settle",
      operation_id: settleId(by),
      node_id: node,
      outcome: "done",
      ...PROVIDER,
      ...only,
      ...(lines.length === 0 ? {} : { lines }),
      spend: spendOf(sum),
      // Other sessions that hold a copy find here what is counted.
      verdict: { calls: child.calls.slice(0, MARKS).map(({ key }) => markOf(key)) },
    };
    this.add(settle, {
      at: child.lastAt,
      time: Math.max(child.lastAt ?? this.clock, from ?? this.clock),
      calls: child.calls.length,
    });
  }

  /** A pool that caps tokens or iterations wants ceilings named: what a child is known to have used fits. */
  private ceilings(used: Readonly<Record<string, number>>): Record<string, number> {
    const capped = this.booked.capped ?? new Set(Object.keys(this.settings.budget ?? {}));
    return Object.fromEntries(Object.entries(used).filter(([channel]) => capped.has(channel)));
  }

  private correct(
    correction: Correction | undefined,
    done: number,
    when: { at?: number | undefined; calls?: number },
  ): void {
    if (correction === undefined) return;
    if ("note" in correction) this.notes.push(correction.note);
    else this.add({ op: "correct", operation_id: correctionId(correction.of, done + 1), ...correction }, when);
  }

  private add(
    operation: Operation,
    { at, time = at ?? this.clock, calls = 0 }: { at?: number | undefined; time?: number; calls?: number },
  ): void {
    if (Number.isFinite(time)) this.clock = time;
    const dated = at !== undefined && !this.settings.undated.has(operation.operation_id);
    const when = dated ? { effective_at: new Date(at).toISOString() } : {};
    this.steps.push({ operation: { ...operation, ...when }, time, calls });
  }
}
