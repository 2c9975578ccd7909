/**
 * Nodes and pools come to be: `spawn` and `open_pool`.
 */
import { type Amount, whole } from "./amounts.js";
import { byChannel, newChannel } from "./channels.js";
import { expireForgotten } from "./expiry.js";
import { Refused, require } from "./faults.js";
import { type Ask, checkAdmission, checkCeilings, shortfallOf } from "./refusals.js";
import {
  type Channel,
  type Context,
  isOpen,
  type Node,
  type Pool,
  type State,
  type TokenCharge,
  type UnknownUsd,
  writeRow,
} from "./state.js";
import { amounts, canonical, type Json, measure, milliseconds, record } from "./values.js";

type Result = Record<string, unknown>;

/** What is particular about a child before it exists. */
interface Plan extends Ask {
  readonly id: string;
  readonly label: string;
  readonly key: string | null;
  readonly budgetText: string;
  readonly taskRef: string | null;
  readonly leaseUntil: number | null;
  readonly isRun: boolean;
}

export function spawn(context: Context, operation: Json): Result {
  const { state, at } = context;
  const pool = state.pools.get(operation.pool_id as string);
  require(pool !== undefined, "LG002");
  const plan = planSpawn(pool, operation, at);
  checkCeilings(pool, plan.budget);
  require(!state.nodes.has(plan.id), "LG011");
  const earlier = checkKey(state, pool, plan);
  if (earlier !== undefined) {
    return { pool_id: pool.id, seq: null, node_id: earlier.id, existing: true };
  }
  admit(context, pool, plan);
  const seq = addChild(context, pool, plan);
  if (plan.ownsPool) openDriverPool(context, pool, plan);
  return { pool_id: pool.id, seq, node_id: plan.id };
}

function planSpawn(pool: Pool, operation: Json, at: number): Plan {
  const { node_id, label, key, budget, lease_ms, driver, task_ref } = operation;
  return {
    id: (node_id as string | undefined) ?? `${pool.id}:s${pool.children}`,
    label: label as string,
    key: (key as string | undefined) ?? null,
    budget: amounts(budget),
    budgetText: canonical(budget),
    taskRef: (task_ref as string | undefined) ?? null,
    ownsPool: driver === true,
    leaseUntil: lease_ms === undefined ? null : at + milliseconds(lease_ms),
    isRun: false,
  };
}

/** A done child of the same key answers for this one; a live one, or other content, refuses it. */
function checkKey(state: State, pool: Pool, plan: Plan): Node | undefined {
  if (plan.key === null) return undefined;
  const holders = [...state.nodes.values()].filter((node) => node.poolId === pool.id && node.key === plan.key);
  const newest = holders.at(-1);
  if (newest === undefined) return undefined;
  const stated = newest.taskRef !== null || plan.taskRef !== null;
  const same = stated
    ? newest.taskRef === plan.taskRef
    : newest.label === plan.label && newest.budgetText === plan.budgetText;
  if (!same) throw new Refused("key-conflict", pool.id);
  if (isOpen(newest)) throw new Refused("duplicate-key", pool.id);
  return newest.status === "done" ? newest : undefined;
}

/** Refuses, or makes sure there is room, taking that of forgotten leaves where it must. */
function admit(context: Context, pool: Pool, ask: Ask): void {
  const { state, at } = context;
  checkAdmission(state, pool, ask, at);
  if (shortfallOf(state, pool, ask).length === 0) return;
  expireForgotten(context, pool);
  const short = shortfallOf(state, pool, ask);
  if (short.length > 0) throw new Refused("budget-exhausted", pool.id, short);
}

/** Reserves the child's ceilings and writes its `spawned` row. */
function addChild(context: Context, pool: Pool, plan: Plan): number {
  for (const [name, ceiling] of plan.budget) {
    const channel = pool.channels.get(name);
    if (channel?.capped === true) channel.reserved += ceiling;
  }
  pool.children += 1;
  addNode(context.state, plan, pool.id);
  return writeRow(context, pool, "spawned", plan.id);
}

function addNode(state: State, plan: Plan, poolId: string | null): void {
  state.nodes.set(plan.id, {
    id: plan.id,
    poolId,
    ownsPool: plan.ownsPool,
    label: plan.label,
    key: plan.key,
    isRun: plan.isRun,
    budgetText: plan.budgetText,
    taskRef: plan.taskRef,
    declared: plan.budget,
    status: "pending",
    wasDispatched: false,
    leaseUntil: plan.leaseUntil,
    eventId: null,
    terminalSeq: null,
    delivered: false,
    outRef: null,
  });
}

/** A driver's pool is funded by its reservation and has a row for every channel above. */
function openDriverPool(context: Context, parent: Pool, plan: Plan): void {
  addPool(context, {
    id: plan.id,
    parentId: parent.id,
    runId: parent.runId,
    tokenCharge: parent.tokenCharge,
    unknownUsd: parent.unknownUsd,
    deadlineAt: parent.deadlineAt,
    depthLeft: parent.depthLeft === null ? null : parent.depthLeft - 1,
    channels: channelsFor(plan.id, parent, plan.budget, parent.channels.keys()),
  });
}

export function openPool(context: Context, operation: Json): Result {
  const { state } = context;
  const id = operation.pool_id as string;
  const parentId = operation.parent_pool_id as string | undefined;
  const parent = parentId === undefined ? undefined : state.pools.get(parentId);
  require(parentId === undefined || parent !== undefined, "LG002");
  const plan = planPool(id, operation);
  if (parent !== undefined) checkBelow(parent, operation, plan);
  require(!state.nodes.has(id), "LG011");
  if (parent === undefined) {
    addNode(state, plan, null);
  } else {
    admit(context, parent, plan);
    addChild(context, parent, plan);
  }
  const seq = addPool(context, describePool(context, operation, parent, plan));
  if (plan.isRun) addRun(state, id, record(operation.run));
  return { pool_id: id, seq, node_id: id };
}

function addRun(state: State, id: string, { experiment, arm, task, replicate }: Json): void {
  if (experiment === undefined) return;
  const named = (value: unknown) => (value === undefined ? null : String(value));
  const place = { experiment: String(experiment), arm: String(arm), task: named(task), replicate: named(replicate) };
  state.runs.set(id, { id, ...place, infra: false });
}

function planPool(id: string, operation: Json): Plan {
  const totals = Object.entries(record(operation.channels)).flatMap(([name, asked]): [string, Amount][] => {
    const { total } = record(asked);
    return total === undefined ? [] : [[name, measure(total)]];
  });
  return {
    id,
    label: operation.run === undefined ? id : (record(operation.run).label as string),
    key: null,
    budget: new Map(totals),
    budgetText: "",
    taskRef: null,
    ownsPool: true,
    leaseUntil: null,
    isRun: operation.run !== undefined,
  };
}

/** One tree has one charge unit and one run; ceilings are asked of the parent as a spawn asks them. */
function checkBelow(parent: Pool, operation: Json, plan: Plan): void {
  const unit = operation.token_charge ?? parent.tokenCharge;
  require(unit === parent.tokenCharge, "LG001");
  require(!plan.isRun || parent.runId === null, "LG001");
  checkCeilings(parent, plan.budget);
}

type NewPool = Omit<Pool, "state" | "seq" | "children" | "cursor">;

function describePool(context: Context, operation: Json, parent: Pool | undefined, plan: Plan): NewPool {
  const { deadline_ms, max_depth, unknown_usd, token_charge } = operation;
  const deadline = deadline_ms === undefined ? null : context.at + milliseconds(deadline_ms);
  const depth = max_depth === undefined ? null : Number(measure(max_depth) / whole(1));
  const above = parent?.depthLeft ?? null;
  const names = ["tokens", "iterations", "usd", ...Object.keys(record(operation.channels))];
  return {
    id: plan.id,
    parentId: parent?.id ?? null,
    runId: plan.isRun ? plan.id : (parent?.runId ?? null),
    tokenCharge: (token_charge as TokenCharge | undefined) ?? parent?.tokenCharge ?? "total",
    unknownUsd: (unknown_usd as UnknownUsd | undefined) ?? parent?.unknownUsd ?? "seal",
    deadlineAt: smaller(deadline, parent?.deadlineAt ?? null),
    depthLeft: smaller(depth, above === null ? null : above - 1),
    channels: channelsFor(plan.id, parent, plan.budget, [...names, ...(parent?.channels.keys() ?? [])]),
  };
}

/** The stricter of two bounds; null bounds nothing. */
function smaller(left: number | null, right: number | null): number | null {
  if (left === null) return right;
  return right === null ? left : Math.min(left, right);
}

function channelsFor(
  poolId: string,
  parent: Pool | undefined,
  totals: ReadonlyMap<string, Amount>,
  names: Iterable<string>,
): Map<string, Channel> {
  const sorted = [...new Set(names)].sort(byChannel);
  return new Map(
    sorted.map((name) => {
      const total = totals.get(name);
      const above = parent?.channels.get(name)?.payer ?? null;
      return [name, newChannel(name, total, total === undefined ? above : poolId)];
    }),
  );
}

function addPool(context: Context, opened: NewPool): number {
  const pool: Pool = { ...opened, state: "open", seq: 0, children: 0, cursor: 0 };
  context.state.pools.set(pool.id, pool);
  return writeRow(context, pool, "opened", pool.id);
}
