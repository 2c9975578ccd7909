/** The spawn of a scope: what refuses it, in its order, and how granted work begins. */
import { z } from "zod";
import type { BudgetPool, Refusal, Ticket } from "../../ledger/budget-pool.js";
import type { Amount, Budget } from "../../ledger/protocol.js";
import * as schemas from "../../ledger/schemas.js";
import { parse } from "../../ledger/schemas.js";
import { type DriverChild, type Spawnable, spawnable, type Worker } from "../agent.js";
import type { SpawnOptions } from "../scope.js";
import type { Handle, ScopeRefusal, Spawned } from "../settled.js";
import { driverWork } from "./driver-node.js";
import { lookUp, taskRefOf } from "./keys.js";
import { Leaf } from "./leaf.js";
import type { LiveChildren, Work } from "./live-children.js";
import type { LiveScope } from "./live-scope.js";
import { doneOf, endOf } from "./reading.js";
import type { RunContext } from "./run-context.js";
import { spawnEvent } from "./scope-events.js";

const spawnOptions = z.strictObject({
  budget: schemas.budget,
  label: schemas.id,
  key: schemas.id.optional(),
  leaseMs: z.number().int().positive().optional(),
  tags: z.record(z.string(), z.string()).optional(),
});

/** What spawning needs of its scope. */
export interface SpawningScope {
  readonly context: RunContext;
  readonly pool: BudgetPool;
  readonly depth: number;
  readonly signal: AbortSignal;
  readonly children: LiveChildren;
  refuses(): boolean;
  /** The scope of a driver below. */
  mount(place: { nodeId: string; depth: number; signal: AbortSignal }): Promise<LiveScope>;
}

export class Spawning {
  constructor(private readonly scope: SpawningScope) {}

  async spawn<Task>(agent: Spawnable<Task>, task: Task, options: SpawnOptions): Promise<Spawned> {
    const { context, pool, depth, children } = this.scope;
    parse(spawnable, agent, "agent");
    const { label, key, tags, leaseMs = context.leaseMs, ...ceilings } = parse(spawnOptions, options, "options");
    const budget = ceilings.budget as Budget;
    const taskRef = key === undefined ? undefined : taskRefOf(task);
    if (this.scope.refuses()) return refused("scope-aborted");
    if (key !== undefined && taskRef !== undefined) {
      const known = await lookUp(context, pool.poolId, { key, taskRef }, (nodeId) => children.has(nodeId));
      if (known?.kind === "refused") return refused(known.code);
      if (known) return this.#done(known.nodeId);
    }
    const driver = "driver" in agent;
    if (driver && depth + 1 > context.maxDepth) return refused("depth-exceeded");
    if (!driver && !(await context.workers.take())) return refused("max-live-workers");
    const release = driver ? () => {} : () => context.workers.release();
    const reserving = pool.reserve(budget, { label, key, taskRef, tags, runtime: agent.runtime, driver, leaseMs });
    const reserved = await reserving.catch((error: unknown): never => {
      release();
      throw error;
    });
    if (!reserved.ok || reserved.ticket.existing) release();
    if (!reserved.ok) return reserved;
    const { ticket } = reserved;
    if (ticket.existing) return this.#done(ticket.nodeId);
    const handle: Handle = { nodeId: ticket.nodeId, label, key, driver };
    context.emit(spawnEvent(context.runId, pool.poolId, handle, agent, budget, depth + 1));
    await children.begin(ticket, handle, this.scope.signal, (signal) =>
      "driver" in agent
        ? this.#driver(agent as DriverChild<never>, task, ticket, signal)
        : this.#leaf(agent as Worker, task, ticket, handle, budget.usd, signal, release),
    );
    return { ok: true, handle };
  }

  #leaf(
    worker: Worker,
    task: unknown,
    ticket: Ticket,
    { nodeId, label, key }: Handle,
    maxUsd: Amount | undefined,
    signal: AbortSignal,
    release: () => void,
  ): Work {
    const { context: run, pool, children } = this.scope;
    const context = { nodeId, runId: run.runId, label, key };
    const graceMs = (): number => children.graceMs;
    const leaf = new Leaf({ pool, ticket, context, signal, graceMs, stalledMs: run.stalledMs, maxUsd });
    return {
      run: (begun) => leaf.run(worker, task, begun).finally(release),
      over: async () => {},
      torn: () => leaf.torn,
      deliver: (message) => leaf.deliver(message),
      progress: () => leaf.progress(),
    };
  }

  #driver(agent: DriverChild<never>, task: unknown, ticket: Ticket, signal: AbortSignal): Work {
    const { context, pool, depth, children, mount } = this.scope;
    return driverWork(agent.driver, task, {
      signal,
      graceMs: () => children.graceMs,
      stalledMs: context.stalledMs,
      mount: async () => {
        await pool.dispatch(ticket);
        return mount({ nodeId: ticket.nodeId, depth: depth + 1, signal });
      },
    });
  }

  /** Work of a key that is done already. */
  async #done(nodeId: string): Promise<Spawned> {
    const { context, pool } = this.scope;
    const end = await endOf(context.ledger, pool.poolId, nodeId);
    const settled = await doneOf(context.ledger, end);
    return { ok: true, handle: settled.handle, settled };
  }
}

function refused(code: ScopeRefusal): Refusal {
  return { ok: false, code, shortfall: [] };
}
