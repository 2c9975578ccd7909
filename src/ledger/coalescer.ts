/**
 * Group commit. A hot pool is bounded by one flushed commit at a time, so at most one call per pool is in flight; what arrives
 * meanwhile queues and goes out together in the next one. Each caller gets the answers to its own operations.
 *
 * Who finds nothing in the way goes out at once, unrelated pools in calls of their own, side by side. Once so many calls are under way
 * as may be, what had to wait goes out together, whatever its pools. How large calls are follows from how long they take (`Pace`).
 */
import { kindOf, sqlState, unanswered } from "./errors.js";
import { type Lane, Lanes, lanesOf } from "./lanes.js";
import { type Named, type Nodes, nodesTouched } from "./nodes-touched.js";
import { Pace } from "./pace.js";
import type { Answer } from "./protocol.js";

/** Sends one call and answers it, or fails as a whole. */
export type Send<O extends Named> = (operations: readonly O[], atomic: boolean) => Promise<Answer[]>;

/** How to group. */
export interface CoalescerOptions {
  /** False: each request is a call of its own, whatever else is in flight. */
  readonly coalesce?: boolean;
  /** Operations per call; a request that has more goes alone. */
  readonly maxOperations?: number;
  /** Calls under way at once. */
  readonly maxInFlight?: number;
}

/** Parts of one batch: they go out one after the other, and none after one that failed. */
export class Series {
  failure: { readonly error: unknown } | undefined;
  /** Whether a part of it was sent. */
  isSent = false;
}

/** How to send a request. */
export interface RequestOptions {
  /** All or nothing; such a request goes alone. */
  readonly atomic: boolean;
  /** The pool of operations that do not name it themselves: a settlement names its node. */
  readonly lane?: string | undefined;
  readonly series?: Series | undefined;
}

interface Request<O> {
  readonly operations: readonly O[];
  readonly size: number;
  readonly atomic: boolean;
  readonly nodes: Nodes;
  readonly since: number;
  readonly lanes: readonly Lane<Request<O>>[];
  readonly series: Series | undefined;
  readonly resolve: (answers: Answer[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Beyond 200 operations a call gets slower per operation (measured). */
export const BATCH = 200;

/** Leaves connections to readers and transactions. */
const IN_FLIGHT = 6;

/** Errors that every request of the call would get. */
const WHOLE_CALL = new Set(["LG006", "LG009", "LG012"]);

/** So long a request waits while nothing of its lanes is answered: who stands behind a call that hangs is told too. */
const QUEUE_MS = 60_000;

/** How often that is looked at. */
const LOOK_MS = 15_000;

export class Coalescer<O extends Named> {
  readonly #send: Send<O>;
  readonly #maxInFlight: number;
  readonly #coalesce: boolean;
  readonly #pace: Pace;
  readonly #lanes = new Lanes<Request<O>>();
  #inFlight = 0;
  #scheduled = false;
  /** Whether those who go next had to wait, as many calls being under way as may be. */
  #isCrowded = false;
  #looking: NodeJS.Timeout | undefined;
  readonly #idle = new Set<() => void>();

  constructor(send: Send<O>, options: CoalescerOptions = {}) {
    const { coalesce = true, maxOperations = BATCH, maxInFlight = IN_FLIGHT } = options;
    this.#coalesce = coalesce;
    this.#send = send;
    this.#maxInFlight = maxInFlight;
    this.#pace = new Pace(maxOperations);
  }

  /** Answers one request, with positions from 0. */
  request(operations: readonly O[], { atomic, lane, series }: RequestOptions): Promise<Answer[]> {
    return new Promise((resolve, reject) => {
      const names = this.#coalesce ? namesOf(operations, lane) : new Set<unknown>([operations]);
      if (series) names.add(series);
      const lanes = Array.from(names, (name) => this.#lanes.lane(name));
      const nodes = nodesTouched(operations);
      const since = performance.now();
      const size = operations.length;
      this.#lanes.add({ operations, size, atomic, nodes, since, lanes, series, resolve, reject });
      this.#schedule();
      this.#look();
    });
  }

  /** Takes the parts of the batch that were not sent out of the queue: they fail with that error. */
  withdraw(series: Series, error: unknown): void {
    for (const request of this.#lanes.in(series)) this.#withdraw(request, error);
    this.#schedule();
  }

  /** Sends nothing for these pools until the function returned is called: somebody of this process holds their locks. */
  reserve(pools: readonly string[]): () => void {
    for (const pool of pools) this.#lanes.reserve(pool, 1);
    return () => {
      for (const pool of pools) this.#lanes.reserve(pool, -1);
      this.#schedule();
    };
  }

  /** When nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    while (this.#inFlight > 0 || !this.#lanes.isEmpty) await new Promise<void>((resolve) => this.#idle.add(resolve));
  }

  #withdraw(request: Request<O>, error: unknown): void {
    this.#lanes.remove(request);
    fail(request, error);
  }

  /**
   * When all that can go on now has gone on: what was asked together goes out together, and so does what those ask next who were just
   * answered, so that the callers of a pool do not fall into two halves that wait for one another.
   */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#inFlight < this.#maxInFlight && this.#lanes.anyReady) {
      const group = this.#lanes.take(this.#pace.size, this.#coalesce && this.#isCrowded);
      if (group.length > 0) void this.#run(group);
    }
    this.#isCrowded = false;
    if (this.#inFlight > 0 || !this.#lanes.isEmpty) return;
    clearTimeout(this.#looking);
    this.#looking = undefined;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  async #run(group: readonly Request<O>[]): Promise<void> {
    this.#inFlight += 1;
    let answeredAt: number | undefined;
    try {
      answeredAt = await this.#answer(group);
    } finally {
      this.#isCrowded ||= this.#inFlight === this.#maxInFlight;
      this.#inFlight -= 1;
      this.#lanes.free(group, answeredAt);
      this.#schedule();
    }
  }

  /** A call that fails as a whole may do so because of one request in it: then each is asked alone. Says when it was answered. */
  async #answer(asked: readonly Request<O>[]): Promise<number | undefined> {
    for (const { series, reject } of asked) if (series?.failure) reject(series.failure.error);
    const group = asked.filter(({ series }) => !series?.failure);
    const [first] = group;
    if (!first) return undefined;
    for (const { series } of group) if (series) series.isSent = true;
    const operations = group.length === 1 ? first.operations : group.flatMap((request) => request.operations);
    const since = performance.now();
    try {
      const answers = await this.#send(operations, first.atomic);
      if (answers.length !== operations.length) {
        throw new Error(`asked ${operations.length} operations, got ${answers.length} answers`);
      }
      const now = performance.now();
      this.#pace.note(operations.length, now - since);
      let from = 0;
      for (const { size, resolve } of group) {
        const start = from;
        from += size;
        resolve(answers.slice(start, from).map((answer) => ({ ...answer, position: answer.position - start })));
      }
      return now;
    } catch (error) {
      if (group.length > 1 && isAboutOne(error)) for (const request of group) await this.#answer([request]);
      else for (const request of group) fail(request, error);
      return undefined;
    }
  }

  /** Looks from time to time, as long as somebody waits, who has waited in vain. */
  #look(): void {
    if (this.#looking || this.#lanes.isEmpty) return;
    this.#looking = setTimeout(() => {
      this.#looking = undefined;
      const now = performance.now();
      for (const request of this.#lanes.all()) {
        const waitedSince = Math.max(request.since, ...request.lanes.map(({ answeredAt }) => answeredAt));
        if (now - waitedSince >= QUEUE_MS) this.#withdraw(request, heldUp(request));
      }
      this.#schedule();
      this.#look();
    }, LOOK_MS);
    this.#looking.unref();
  }
}

function fail<O>({ series, reject }: Request<O>, error: unknown): void {
  if (series) series.failure ??= { error };
  reject(error);
}

function heldUp<O>({ series }: Request<O>): unknown {
  const why = `nothing before it was answered for ${QUEUE_MS / 1_000} s`;
  return unanswered(series?.isSent ?? false, { why, retryable: true });
}

/** Whether leaving one request out might cure it: not an outage, and not a no to the caller or the tenant. */
function isAboutOne(error: unknown): boolean {
  return kindOf(error) === "final" && !WHOLE_CALL.has(sqlState(error) ?? "");
}

function namesOf(operations: readonly Named[], lane: string | undefined): Set<unknown> {
  const names = new Set<unknown>(lane === undefined ? [] : [lane]);
  for (const operation of operations) for (const name of lanesOf(operation)) names.add(name);
  return names;
}
