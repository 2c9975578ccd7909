/**
 * Turns commands into operations that fit what the model holds at that moment.
 */
import { type Amount, formatAmount, whole } from "../model/amounts.js";
import { freeOf } from "../model/channels.js";
import { PROVIDER } from "../model/prices.js";
import { isOpen, type Node, type Pool, type State } from "../model/state.js";
import type { Operation } from "../vectors/steps.js";
import type { Among, Command, LeaseLength, RoughSpend, Size, Sizes } from "./commands.js";
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
      return {
        pool_id: somePool(state, rough.pool)?.id ?? "nowhere",
        ...called(rough.spend),
        ...spendKeys(rough.spend),
      };
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
    budget: budgetFor(pool, keyed ? { tokens: 10, iterations: 1 } : rough.sizes, rough.careless),
    ...(rough.named ? { node_id: rough.careless ? "p0" : `n${number}` } : {}),
    ...(keyed ? { key: `k${rough.key}` } : {}),
    ...(lease === undefined ? {} : { lease_ms: lease }),
    ...(rough.driver ? { driver: true } : {}),
  };
}

function draftSettle(rough: RoughOf<"settle">, state: State): Draft {
  const node = someEnding(state, rough.among, rough.node);
  const { outcome, spend } = rough;
  return { node_id: node?.id ?? "nobody", outcome, ...called(spend), ...(node?.ownsPool ? {} : spendKeys(spend)) };
}

function draftCancel(rough: RoughOf<"cancel">, state: State): Draft {
  const node = someEnding(state, rough.among, rough.node);
  const silent = rough.spend === null || node?.ownsPool === true;
  return {
    node_id: node?.id ?? "nobody",
    reason: "no longer needed",
    ...(silent || rough.spend === null ? {} : { ...called(rough.spend), ...spendKeys(rough.spend) }),
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

/** Dollars of two decimals; every seventh amount also uses the last of the twelve. */
function cents(count: number): Amount {
  return whole(count) / 100n + (count % 7 === 3 ? 1n : 0n);
}

/** Models as calls name them; the last one has no price. */
const MODELS = ["large", "small", "free", "huge"];

/** Who was called; now and then nobody says. */
function called(rough: RoughSpend): Draft {
  return rough.ms % 5 === 0 ? {} : { provider: PROVIDER, model: MODELS[rough.ms % MODELS.length] };
}

/** The `spend` of an operation, and the `lines` it may be split into. */
function spendKeys(rough: RoughSpend): { spend: Draft; lines?: Draft[] } {
  const spend = spellSpend(rough);
  if (!rough.inLines) return { spend };
  // Mostly one line that is all of it, beside one that is nothing; the model changes from one to the next truth.
  const nothing = { iterations: 0, input_tokens: 0, output_tokens: 0, usd: "0" };
  const one = MODELS[rough.ms % MODELS.length];
  if (rough.dollars !== "receipt" || rough.input < 2) {
    return {
      spend,
      lines: [
        { ...spend, provider: PROVIDER, model: one },
        { ...nothing, model: "small" },
      ],
    };
  }
  const cached = Number(spend.cache_read_tokens) + Number(spend.cache_write_tokens);
  const rest = rough.input - cached;
  return {
    spend,
    lines: [
      { ...spend, input_tokens: cached, model: one },
      { ...nothing, input_tokens: rest, model: "large" },
    ],
  };
}

function spellSpend(rough: RoughSpend): Draft {
  const cacheRead = Math.min(rough.cacheRead, rough.input);
  const cacheWrite = Math.min(rough.cacheWrite, rough.input - cacheRead);
  const usd = formatAmount(cents(rough.usd));
  const dollars = {
    receipt: { usd },
    estimate: { usd, usd_known: false },
    unknown: { usd_known: false },
  }[rough.dollars];
  const resources = Object.entries(rough.resources).map(([name, amount]) => [name, { amount }]);
  return {
    iterations: rough.iterations,
    input_tokens: rough.input,
    output_tokens: rough.output,
    cache_read_tokens: cacheRead,
    cache_write_tokens: cacheWrite,
    ...(rough.cacheWrite % 3 === 0 ? { cache_write_1h_tokens: Math.min(rough.cacheWrite % 7, cacheWrite) } : {}),
    reasoning_tokens: Math.min(rough.reasoning, rough.output),
    ms: rough.ms,
    ...dollars,
    ...(rough.tokensKnown ? {} : { tokens_known: false }),
    ...(resources.length === 0 ? {} : { resources: Object.fromEntries(resources) }),
  };
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
