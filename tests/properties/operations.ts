/**
 * Turns commands into operations that fit what the model holds at that moment.
 */
import { type Amount, formatAmount, whole } from "../model/amounts.js";
import { freeOf } from "../model/channels.js";
import { isOpen, type Node, type Pool, type State } from "../model/state.js";
import type { Operation } from "../vectors/steps.js";
import type { Among, Command, LeaseLength, Size, Sizes } from "./commands.js";
import { called, cents, spendKeys, tools } from "./spelled-spends.js";
import { spoil } from "./spoiling.js";

type Draft = Record<string, unknown>;

/** What a resolver may look at. */
interface Moment {
  readonly state: State;
  /** The number of the command, for fresh ids. */
  readonly number: number;
  /** Operations sent so far, whatever became of them. */
  readonly sent: readonly Operation[];
}

type Rough = Command["rough"];
type RoughOf<Does extends Rough["does"]> = Extract<Rough, { does: Does }>;

/** Leases and deadlines of this length have passed once the call that made them is over. */
const SHORT_MS = 1;
const LONG_MS = 3_600_000;

/** The operation a command stands for, now. */
export function resolve(command: Pick<Command, "rough" | "spoiled">, moment: Moment): Operation {
  const { rough, spoiled } = command;
  if (rough.does === "repeat") return repeat(rough, moment);
  const draft: Draft = { operation_id: `o${moment.number}`, op: rough.does, ...draftOf(rough, moment) };
  return spoiled === null ? draft : spoil(draft, spoiled);
}

/** Whether a lease or deadline of the operation ends with its call. */
export function endsWithCall(operation: Operation): boolean {
  return operation.lease_ms === SHORT_MS || operation.deadline_ms === SHORT_MS;
}

function draftOf(rough: Exclude<Rough, { does: "repeat" }>, moment: Moment): Draft {
  const { state } = moment;
  switch (rough.does) {
    case "open_pool":
      return draftOpenPool(rough, moment);
    case "spawn":
      return draftSpawn(rough, moment);
    case "dispatch":
      return { node_id: someHold(state, rough.node)?.id ?? "nobody" };
    case "extend":
      return {
        node_id: someHold(state, rough.node)?.id ?? "nobody",
        lease_ms: lengthOf(rough.lease) ?? LONG_MS,
      };
    case "settle":
      return draftSettle(rough, state);
    case "cancel":
      return draftCancel(rough, state);
    case "meter":
      return draftMeter(rough, state);
    case "announce":
      return draftAnnounce(rough, moment);
    case "correct":
      return draftCorrect(rough, moment);
    case "expire":
      return rough.pool === null ? {} : { pool_id: somePool(state, rough.pool)?.id ?? "nowhere" };
    case "fund":
      return draftFund(rough, state);
    case "judge":
      return draftJudge(rough, state);
    case "close_pool":
      return { pool_id: someClosing(state, rough.pool)?.id ?? "nowhere" };
    default:
      return { pool_id: somePool(state, rough.pool)?.id ?? "nowhere" };
  }
}

function draftOpenPool(rough: RoughOf<"open_pool">, { state, number }: Moment): Draft {
  const parent = rough.below === null ? undefined : liveliest(state, rough.below);
  const totals = budgetFor(parent, rough.sizes, rough.careless);
  const channels = Object.fromEntries(
    Object.entries(totals).map(([name, total]) => [name, name === "usd" && total === "0" ? {} : { total }]),
  );
  const sameUnit = parent === undefined || rough.careless || rough.tokenCharge === parent.tokenCharge;
  const deadline = lengthOf(rough.deadline);
  return {
    pool_id: `p${number}`,
    channels,
    ...(parent === undefined ? {} : { parent_pool_id: parent.id }),
    ...(rough.isRun && (parent?.runId ?? null) === null ? { run: { label: `run ${number}` } } : {}),
    ...(rough.unknownUsd === null ? {} : { unknown_usd: rough.unknownUsd }),
    ...(rough.tokenCharge === null || !sameUnit ? {} : { token_charge: rough.tokenCharge }),
    ...(rough.maxDepth === null ? {} : { max_depth: rough.maxDepth }),
    ...(deadline === undefined ? {} : { deadline_ms: deadline }),
  };
}

function draftSpawn(rough: RoughOf<"spawn">, { state, number }: Moment): Draft {
  const pool = liveliest(state, rough.pool);
  const lease = lengthOf(rough.lease);
  const keyed = rough.key !== null;
  return {
    pool_id: pool?.id ?? "nowhere",
    // Keyed children mostly look alike, so that keys meet their own content again.
    label: keyed ? "keyed" : `child ${number}`,
    budget: budgetFor(pool, keyed && rough.task === null ? { tokens: 10, iterations: 1 } : rough.sizes, rough.careless),
    ...(rough.named ? { node_id: rough.careless ? "p0" : `n${number}` } : {}),
    ...(keyed ? { key: `k${rough.key}` } : {}),
    ...(rough.task === null
      ? {}
      : { task_ref: `sha256:${(rough.task === "own" ? String(rough.key ?? 0) : "f").repeat(64)}` }),
    ...(lease === undefined ? {} : { lease_ms: lease }),
    ...(rough.driver ? { driver: true } : {}),
  };
}

/** A turn; now and then the one of a call that was announced, under the id that was given out for it. */
function draftMeter({ pool, spend, doubt }: RoughOf<"meter">, state: State): Draft {
  const announced = doubt === null ? undefined : pick(state.announced, doubt);
  return {
    pool_id: announced?.poolId ?? somePool(state, pool)?.id ?? "nowhere",
    ...(announced === undefined ? {} : { operation_id: announced.meterId }),
    ...called(spend),
    ...tools(spend),
    ...spendKeys(spend),
  };
}

function draftAnnounce({ pool, turn, again }: RoughOf<"announce">, { state, number }: Moment): Draft {
  const earlier = again ? pick(state.announced, pool) : undefined;
  return {
    op: "dispatch",
    pool_id: earlier?.poolId ?? somePool(state, pool)?.id ?? "nowhere",
    meter_id: earlier?.meterId ?? `m${number}`,
    ...(turn === null ? {} : { turn, detail: { turn } }),
  };
}

function draftSettle(rough: RoughOf<"settle">, state: State): Draft {
  const node = someEnding(state, rough.among, rough.node);
  const { outcome, spend } = rough;
  return {
    node_id: node?.id ?? "nobody",
    outcome,
    ...called(spend),
    ...tools(spend),
    ...(node?.ownsPool ? {} : spendKeys(spend)),
  };
}

function draftCancel(rough: RoughOf<"cancel">, state: State): Draft {
  const node = someEnding(state, rough.among, rough.node);
  const silent = rough.spend === null || node?.ownsPool === true;
  return {
    node_id: node?.id ?? "nobody",
    reason: "no longer needed",
    ...(silent || rough.spend === null
      ? {}
      : { ...called(rough.spend), ...tools(rough.spend), ...spendKeys(rough.spend) }),
  };
}

function draftCorrect(rough: RoughOf<"correct">, { state, sent }: Moment): Draft {
  const booked = [...state.operations].filter(([, kept]) => kept.events.length > 0);
  const of = rough.careless ? pick(sent, rough.of)?.operation_id : pick(booked, rough.of)?.[0];
  return { of: of ?? "nothing", ...spendKeys(rough.spend), reason: "receipt" };
}

function draftFund(rough: RoughOf<"fund">, state: State): Draft {
  const tops = [...state.pools.values()].filter(({ parentId }) => parentId === null || rough.careless);
  const pool = pick(tops, rough.pool);
  const capped = Object.entries(budgetFor(pool, rough.sizes, false)).filter(
    ([name]) => rough.careless || pool?.channels.get(name)?.capped === true,
  );
  const signed = capped.map(([name, amount]) => [name, rough.back ? `-${amount}` : amount]);
  return { pool_id: pool?.id ?? "nowhere", amounts: Object.fromEntries(signed) };
}

function draftJudge(rough: RoughOf<"judge">, state: State): Draft {
  const nodes = [...state.nodes.values()].filter(({ isRun }) => isRun || rough.careless);
  return { run_id: pick(nodes, rough.node)?.id ?? "nobody", resolved: true };
}

function repeat(rough: RoughOf<"repeat">, { sent }: Moment): Operation {
  const earlier = pick(sent, rough.of) ?? { operation_id: "none", op: "fly" };
  return rough.changed ? { ...earlier, tags: { again: "yes" } } : earlier;
}

/** Amounts for every channel asked for; what the pool insists on is added, what it lacks left out. */
function budgetFor(pool: Pool | undefined, sizes: Sizes, careless: boolean): Record<string, string> {
  const asked = new Map<string, Size>(Object.entries(sizes));
  if (!careless && pool !== undefined) {
    for (const name of ["tokens", "iterations"]) {
      if (pool.channels.get(name)?.capped === true && !asked.has(name)) asked.set(name, 1);
    }
    for (const name of asked.keys()) if (!pool.channels.has(name)) asked.delete(name);
    const dollars = pool.channels.get("usd")?.capped === true;
    if (!dollars && asked.has("usd")) asked.set("usd", 0);
  }
  return Object.fromEntries([...asked].map(([name, wanted]) => [name, formatAmount(amountOf(pool, name, wanted))]));
}

function amountOf(pool: Pool | undefined, name: string, wanted: Size): Amount {
  if (typeof wanted === "number") return name === "usd" ? cents(wanted) : whole(wanted);
  const payer = pool?.channels.get(name);
  const free = payer?.capped === true ? freeOf(payer) : 0n;
  const fits = free > 0n ? free : 0n;
  const integral = name === "tokens" || name === "iterations";
  return wanted === "free" ? fits : fits + (integral ? whole(1) : 1n);
}

function lengthOf(lease: LeaseLength): number | undefined {
  return { none: undefined, short: SHORT_MS, long: LONG_MS }[lease];
}

function pick<T>(from: readonly T[], number: number): T | undefined {
  return from[number % Math.max(from.length, 1)];
}

function somePool(state: State, number: number): Pool | undefined {
  return pick([...state.pools.values()], number);
}

/** A pool that is probably open; now and then any. */
function liveliest(state: State, number: number): Pool | undefined {
  const pools = [...state.pools.values()];
  const open = pools.filter((pool) => pool.state === "open");
  return pick(number % 10 === 0 || open.length === 0 ? pools : open, number);
}

function nodesAmong(state: State, among: Among): Node[] {
  const kinds: Record<Among, (node: Node) => boolean> = {
    leaves: (node) => !node.ownsPool && isOpen(node),
    drivers: (node) => node.ownsPool && node.poolId !== null && isOpen(node),
    expired: (node) => node.status === "expired",
    all: () => true,
  };
  return [...state.nodes.values()].filter(kinds[among]);
}

/** An open hold; now and then any node. */
function someHold(state: State, number: number): Node | undefined {
  const holds = [...nodesAmong(state, "leaves"), ...nodesAmong(state, "drivers")];
  return pick(number % 40 === 0 ? nodesAmong(state, "all") : holds, number);
}

/** A node of the wanted kind, else an open hold. */
function someEnding(state: State, among: Among, number: number): Node | undefined {
  return pick(nodesAmong(state, among), number) ?? someHold(state, number);
}

/** A pool to close: seldom one at the top, after which little can happen. */
function someClosing(state: State, number: number): Pool | undefined {
  const below = [...state.pools.values()].filter(({ parentId }) => parentId !== null);
  return pick(number % 40 === 0 ? [...state.pools.values()] : below, number);
}
