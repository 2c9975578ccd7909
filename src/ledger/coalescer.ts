/**
 * Group commit. A hot pool is bounded by one flushed commit at a time, so at most one call per pool is in flight; what arrives
 * meanwhile queues and goes out together in the next one. Each caller gets the answers to its own operations.
 *
 * Requests that name the same pool (a lane) keep their order. Requests of unrelated pools never share a call: a batch that
 * settles in one pool and spawns in another conflicts with strangers.
 */
import { kindOf, sqlState } from "./errors.js";
import type { Answer, Operation } from "./protocol.js";

/** Sends one call and answers it, or fails as a whole. */
export type Send = (operations: readonly Operation[], atomic: boolean) => Promise<Answer[]>;

/** How to group. */
export interface CoalescerOptions {
  /** False: each request is a call of its own, whatever else is in flight. */
  readonly coalesce?: boolean;
  /** Operations per call; a request that has more goes alone. */
  readonly maxOperations?: number;
  /** Calls under way at once. */
  readonly maxInFlight?: number;
}

/** Parts of one batch that is larger than a call: they go out one after the other, and none after one that failed. */
export class Series {
  failure: { readonly error: unknown } | undefined;
}

/** How to send a request. */
export interface RequestOptions {
  /** All or nothing; such a request goes alone. */
  readonly atomic: boolean;
  /** The pool of operations that do not name it themselves: a settlement names its node. */
  readonly lane?: string | undefined;
  readonly series?: Series | undefined;
}

type Lane = string | Series;

interface Request {
  readonly operations: readonly Operation[];
  readonly atomic: boolean;
  readonly lanes: ReadonlySet<Lane>;
  readonly series: Series | undefined;
  readonly resolve: (answers: Answer[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Beyond 200 operations a call gets slower per operation (measured). */
export const BATCH = 200;

/** Errors that every request of the call would get. */
const WHOLE_CALL = new Set(["LG006", "LG009", "LG012"]);

/** Leaves connections to readers and transactions. */
const IN_FLIGHT = 6;

export class Coalescer {
  readonly #send: Send;
  readonly #maxOperations: number;
  readonly #maxInFlight: number;
  readonly #coalesce: boolean;
  /** In order of arrival. A request leaves it when it is sent. */
  #queue: Request[] = [];
  readonly #busy = new Set<Lane>();
  /** Pools kept out of calls for a while, and how many keep them so. */
  readonly #reserved = new Map<string, number>();
  #inFlight = 0;
  #scheduled = false;

  constructor(send: Send, { coalesce = true, maxOperations = BATCH, maxInFlight = IN_FLIGHT }: CoalescerOptions = {}) {
    this.#coalesce = coalesce;
    this.#send = send;
    this.#maxOperations = maxOperations;
    this.#maxInFlight = maxInFlight;
  }

  /** Answers one request, with positions from 0. */
  request(operations: readonly Operation[], { atomic, lane, series }: RequestOptions): Promise<Answer[]> {
    return new Promise((resolve, reject) => {
      const lanes = new Set<Lane>(this.#coalesce ? operations.flatMap(lanesOf) : []);
      if (lane !== undefined && this.#coalesce) lanes.add(lane);
      if (series) lanes.add(series);
      this.#queue.push({ operations, atomic, lanes, series, resolve, reject });
      this.#schedule();
    });
  }

  /** Sends nothing for these pools until the function returned is called: somebody of this process holds their locks. */
  reserve(pools: readonly string[]): () => void {
    const count = (pool: string, by: number): void => {
      const left = (this.#reserved.get(pool) ?? 0) + by;
      if (left > 0) this.#reserved.set(pool, left);
      else this.#reserved.delete(pool);
    };
    for (const pool of pools) count(pool, 1);
    return () => {
      for (const pool of pools) count(pool, -1);
      this.#schedule();
    };
  }

  /** After this turn of the event loop, so that what was asked together goes out together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#inFlight < this.#maxInFlight) {
      const group = this.#takeGroup();
      if (group.length === 0) return;
      void this.#run(group);
    }
  }

  /** The first request whose lanes are free, and those behind it that may share its call. */
  #takeGroup(): Request[] {
    const blocked = new Set<Lane>([...this.#busy, ...this.#reserved.keys()]);
    const group: Request[] = [];
    const lanes = new Set<Lane>();
    const rest: Request[] = [];
    let size = 0;
    for (const request of this.#queue) {
      const free = !overlaps(request.lanes, blocked);
      const joins = group.length === 0 || this.#mayJoin(request, group, lanes, size);
      if (free && joins) {
        group.push(request);
        size += request.operations.length;
        for (const lane of request.lanes) lanes.add(lane);
      } else {
        rest.push(request);
        // Nobody overtakes within a lane.
        for (const lane of request.lanes) blocked.add(lane);
      }
    }
    this.#queue = rest;
    return group;
  }

  #mayJoin(request: Request, group: readonly Request[], lanes: ReadonlySet<Lane>, size: number): boolean {
    if (request.atomic || group[0]?.atomic) return false;
    return size + request.operations.length <= this.#maxOperations && overlaps(request.lanes, lanes);
  }

  async #run(group: readonly Request[]): Promise<void> {
    const lanes = group.flatMap((request) => [...request.lanes]);
    for (const lane of lanes) this.#busy.add(lane);
    this.#inFlight += 1;
    try {
      await this.#answer(group);
    } finally {
      for (const lane of lanes) this.#busy.delete(lane);
      this.#inFlight -= 1;
      this.#dispatch();
    }
  }

  /** A call that fails as a whole may do so because of one request in it: then each is asked alone. */
  async #answer(asked: readonly Request[]): Promise<void> {
    for (const { series, reject } of asked) if (series?.failure) reject(series.failure.error);
    const group = asked.filter(({ series }) => !series?.failure);
    const [first] = group;
    if (!first) return;
    const operations = group.flatMap((request) => request.operations);
    try {
      const answers = await this.#send(operations, first.atomic);
      if (answers.length !== operations.length) {
        throw new Error(`asked ${operations.length} operations, got ${answers.length} answers`);
      }
      let from = 0;
      for (const { operations: own, resolve } of group) {
        const start = from;
        from += own.length;
        resolve(answers.slice(start, from).map((answer) => ({ ...answer, position: answer.position - start })));
      }
    } catch (error) {
      if (group.length > 1 && isAboutOne(error)) for (const request of group) await this.#answer([request]);
      else for (const request of group) fail(request, error);
    }
  }
}

function fail({ series, reject }: Request, error: unknown): void {
  if (series) series.failure ??= { error };
  reject(error);
}

/** Whether leaving one request out might cure it: not an outage, and not a no to the caller or the tenant. */
function isAboutOne(error: unknown): boolean {
  return kindOf(error) === "final" && !WHOLE_CALL.has(sqlState(error) ?? "");
}

/** The pools and nodes an operation names. What names none shares one lane. */
export function lanesOf(operation: Operation): string[] {
  const names = [operation.pool_id, operation.parent_pool_id, operation.run_id, operation.node_id];
  const lanes = names.filter((name): name is string => typeof name === "string");
  return lanes.length > 0 ? lanes : [""];
}

function overlaps(some: ReadonlySet<Lane>, others: ReadonlySet<Lane>): boolean {
  for (const one of some) if (others.has(one)) return true;
  return false;
}
