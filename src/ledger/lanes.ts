/**
 * What waits to be sent, by lane: a pool, a node, or the parts of one batch. Requests of a lane keep their order, and one call at a
 * time has it. Lanes take turns in the order in which they could have gone, so that a crowd before one keeps nobody else waiting. A
 * turn costs what it takes, not what waits.
 */
import { compatible, type Named, NODES, type Nodes, together } from "./nodes-touched.js";

/** One request, from being asked until it is sent. */
export interface Waiting {
  /** How many operations. */
  readonly size: number;
  /** All or nothing; it goes alone. */
  readonly atomic: boolean;
  readonly nodes: Nodes;
}

/** What requests wait for one after the other. */
export interface Lane<R> {
  readonly name: unknown;
  /** In order of arrival. */
  readonly waiting: Set<R>;
  isBusy: boolean;
  /** How many keep it out of calls. */
  reserved: number;
  /** When something of it was answered last. */
  answeredAt: number;
  /** Where it stands among those that may go, by what its next request does. */
  turn: Nodes | undefined;
}

/** Requests that go out together. */
interface Group<R> {
  readonly requests: R[];
  readonly lanes: Set<Lane<R>>;
  readonly most: number;
  size: number;
  nodes: Nodes;
}

export class Lanes<R extends Waiting & { readonly lanes: readonly Lane<R>[] }> {
  readonly #lanes = new Map<unknown, Lane<R>>();
  /**
   * Lanes that may go, in the order of their turns, also by what they do. Of the lanes of a request that can go, one at least is here:
   * whichever was the last to keep it waiting.
   */
  readonly #turns = new Set<Lane<R>>();
  readonly #turnsOf = new Map<Nodes, Set<Lane<R>>>(NODES.map((nodes) => [nodes, new Set()]));

  /** Whether somebody could go. May say so of one that turns out to wait for another lane. */
  get anyReady(): boolean {
    return this.#turns.size > 0;
  }

  get isEmpty(): boolean {
    return this.#lanes.size === 0;
  }

  /** The lane of that name. One that nobody waits for is forgotten by the next `free` or `reserve` of it. */
  lane(name: unknown): Lane<R> {
    let lane = this.#lanes.get(name);
    if (!lane) {
      const answeredAt = Number.NEGATIVE_INFINITY;
      lane = { name, waiting: new Set(), isBusy: false, reserved: 0, answeredAt, turn: undefined };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  /** At the end of each of its lanes. */
  add(request: R): void {
    for (const lane of request.lanes) {
      lane.waiting.add(request);
      this.#enter(lane);
    }
  }

  /** Takes out one that was not sent. */
  remove(request: R): void {
    for (const lane of request.lanes) {
      lane.waiting.delete(request);
      // Who is next now may do something else.
      this.#leave(lane);
      this.#settle(lane);
    }
  }

  /** Those that wait in the lane of that name. */
  in(name: unknown): R[] {
    return [...(this.#lanes.get(name)?.waiting ?? [])];
  }

  /** All that wait. */
  all(): Set<R> {
    return new Set([...this.#lanes.values()].flatMap(({ waiting }) => [...waiting]));
  }

  /**
   * The next request in turn and those that may share its call, `most` operations together unless it alone has more; none where nobody
   * can go. Their lanes are busy from now on. `strangers`: whether requests of unrelated lanes may share it.
   */
  take(most: number, strangers: boolean): R[] {
    const group: Group<R> = { requests: [], lanes: new Set(), most, size: 0, nodes: "neither" };
    for (const lane of this.#turns) {
      this.#join(group, lane);
      if (group.requests.length > 0) break;
    }
    if (strangers) {
      for (const [nodes, lanes] of this.#turnsOf) {
        for (const lane of lanes) {
          if (group.size >= most || group.requests[0]?.atomic || !compatible(group.nodes, nodes)) break;
          if (!group.lanes.has(lane)) this.#join(group, lane, true);
        }
      }
    }
    for (const lane of group.lanes) {
      lane.isBusy = true;
      this.#leave(lane);
    }
    return group.requests;
  }

  /** A call is over; `answeredAt` where it was answered. */
  free(requests: readonly R[], answeredAt?: number): void {
    for (const lane of new Set(requests.flatMap(({ lanes }) => lanes))) {
      lane.isBusy = false;
      if (answeredAt !== undefined) lane.answeredAt = answeredAt;
      this.#settle(lane);
    }
  }

  /** One more, or one less, that keeps the lane out of calls. */
  reserve(name: unknown, by: 1 | -1): void {
    const lane = this.lane(name);
    lane.reserved += by;
    this.#settle(lane);
  }

  /** Takes what is next in the lane, and in the lanes that this shares requests with, as far as it may go. */
  #join(group: Group<R>, start: Lane<R>, asStranger = false): void {
    const next = first(start.waiting);
    if (!next || !canGo(next, start)) {
      // It waits for another lane, which brings it back.
      this.#leave(start);
      return;
    }
    const lanes = new Set([start]);
    for (const lane of lanes) {
      for (const request of lane.waiting) {
        if (!canGo(request, lane) || !fits(group, request, asStranger)) break;
        group.requests.push(request);
        group.size += request.size;
        group.nodes = together(group.nodes, request.nodes);
        for (const own of request.lanes) {
          own.waiting.delete(request);
          lanes.add(own);
          group.lanes.add(own);
        }
      }
    }
  }

  /** Gives a lane its turn where somebody waits for it, and forgets it where nobody does. */
  #settle(lane: Lane<R>): void {
    if (lane.isBusy || lane.reserved > 0) return;
    if (lane.waiting.size > 0) this.#enter(lane);
    else this.#lanes.delete(lane.name);
  }

  #enter(lane: Lane<R>): void {
    if (lane.turn || lane.isBusy || lane.reserved > 0) return;
    const next = first(lane.waiting);
    if (!next) return;
    lane.turn = next.nodes;
    this.#turns.add(lane);
    this.#turnsOf.get(lane.turn)?.add(lane);
  }

  #leave(lane: Lane<R>): void {
    if (!lane.turn) return;
    this.#turns.delete(lane);
    this.#turnsOf.get(lane.turn)?.delete(lane);
    lane.turn = undefined;
  }
}

/** The pools and nodes an operation names. What names none shares one lane. */
export function lanesOf(operation: Named): string[] {
  const names = [operation.pool_id, operation.parent_pool_id, operation.run_id, operation.node_id];
  const lanes = names.filter((name): name is string => typeof name === "string");
  return lanes.length > 0 ? lanes : [""];
}

/** Whether nobody is before it in any of its lanes; it is the next in `own`. */
function canGo<R extends Waiting & { readonly lanes: readonly Lane<R>[] }>(request: R, own: Lane<R>): boolean {
  return request.lanes.every((lane) => {
    return !lane.isBusy && lane.reserved === 0 && (lane === own || first(lane.waiting) === request);
  });
}

function fits(group: Group<Waiting>, request: Waiting, asStranger: boolean): boolean {
  const [leader] = group.requests;
  if (!leader) return true;
  if (leader.atomic || request.atomic || group.size + request.size > group.most) return false;
  return !asStranger || compatible(group.nodes, request.nodes);
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const one of set) return one;
  return undefined;
}
