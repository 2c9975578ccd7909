/**
 * Which session counts a call that several hold: resumed and forked sessions begin with a copy of another's history. What is
 * booked decides; else the session that comes first, and in it the main file before children before compactions.
 */
import type { Booked } from "./booked.js";
import type { Call } from "./calls.js";
import { markOf, meterId, nodeId, spawnId } from "./ids.js";
import type { Child, Session } from "./session.js";

/** A child that its session counts. */
export interface OwnChild extends Child {
  /** What names the operation that spawns it: its first call of its own, unless it is spawned already. */
  readonly firstKey: string;
  /** Calls in its files, those of its own and copies. */
  readonly written: readonly Call[];
}

/** The child that a call is counted in. */
export interface Holder {
  readonly node: string;
  readonly session: string;
}

/** What the ledger has of all children of sessions. */
export interface Holders {
  readonly nodes: ReadonlySet<string>;
  /** Who counts a call, by its mark, as far as settled children say. */
  readonly calls: ReadonlyMap<string, Holder>;
}

/** Calls of a copy that the session which counts the child does not hold. */
export interface Uncounted {
  readonly child: string;
  readonly session: string;
  readonly node: string;
  readonly calls: number;
}

/** What is left of a session: the calls it counts itself. */
export interface Own {
  readonly id: string;
  /** Undefined where the driver's file is missing. */
  readonly turns?: readonly { readonly call: Call; readonly turn: number }[];
  readonly compactions: readonly Call[];
  readonly children: readonly OwnChild[];
  /** Children without a call, by id. */
  readonly empty: readonly string[];
  /** Children whose calls another agent of this session began with, and counts. */
  readonly within: readonly { readonly child: string; readonly calls: number }[];
  /** How many calls are counted in which other session. */
  readonly elsewhere: ReadonlyMap<string, number>;
  /** What a copy holds beyond the child that is counted, and so is not counted anywhere. */
  readonly uncounted: readonly Uncounted[];
  readonly firstAt?: number;
}

/** What a session counts that cannot be booked. */
export function nothingOf(id: string): Own {
  return { id, compactions: [], children: [], empty: [], within: [], elsewhere: new Map(), uncounted: [] };
}

/** Divides the calls of an import between its sessions. Ask for the sessions in their order; asking again is allowed. */
export class Claims {
  private readonly metered = new Map<string, string>();
  private readonly spawned = new Map<string, string>();
  /** Calls of children of this import. */
  private readonly inChild = new Map<string, Holder>();

  /**
   * `booked` answers in which pool an operation id is booked; it may learn more between two questions. What children that are
   * booked hold in `sessions` is theirs before anybody else asks: their marks do not tell what they grew by since they were settled.
   */
  constructor(
    private readonly booked: ReadonlyMap<string, string>,
    private readonly holders: Holders = { nodes: new Set(), calls: new Map() },
    sessions: readonly Session[] = [],
  ) {
    for (const { id, children } of sessions) {
      for (const child of children) {
        const node = nodeId(id, child.id);
        if (!holders.nodes.has(node)) continue;
        for (const { key } of child.calls) {
          if (this.meteredIn(key) === undefined && this.holder(key) === undefined)
            this.inChild.set(key, { node, session: id });
        }
      }
    }
  }

  own(session: Session, books: Pick<Booked, "children" | "metered">): Own {
    const elsewhere = new Map<string, number>();
    const count = (owner: string, calls: number): void => {
      if (calls > 0) elsewhere.set(owner, (elsewhere.get(owner) ?? 0) + calls);
    };
    const uncounted: Uncounted[] = [];
    const within: { child: string; calls: number }[] = [];
    const empty: string[] = [];
    const mine = ({ key }: Call): boolean => {
      const owner = this.meteredIn(key) ?? this.holder(key)?.session ?? session.id;
      if (owner === session.id) this.metered.set(key, owner);
      else count(owner, 1);
      return owner === session.id;
    };
    const stays = ({ key }: Call): boolean =>
      this.meteredIn(key) === undefined && this.holder(key)?.session === session.id;

    const present = new Set(session.children.flatMap(({ calls }) => calls.map(({ key }) => key)));
    // A child whose file is gone cannot be corrected: what it holds stays there.
    const turns = session.turns
      ?.map((call, turn) => ({ call, turn }))
      .filter(({ call }) => (present.has(call.key) || !stays(call)) && mine(call));
    const main = new Set(session.turns?.map(({ key }) => key));
    const children: OwnChild[] = [];
    const isBooked = (child: Child): boolean => books.children.has(nodeId(session.id, child.id));
    const inOrder = [...session.children].sort((a, b) => Number(isBooked(b)) - Number(isBooked(a)) || byTime(a, b));
    for (const child of inOrder) {
      if (child.calls.length === 0) empty.push(child.id);
      const node = nodeId(session.id, child.id);
      const { calls, rest, copies } = this.unclaimed(session.id, node, child, main, books.metered);
      for (const [owner, found] of copies) count(owner, found);
      const [first] = calls;
      // A booked child may lose all of its calls to the main file; one whose file says nothing is left as it is.
      if (first === undefined && !(isBooked(child) && child.calls.length > 0)) continue;
      const firstKey = first?.key ?? child.calls[0]?.key ?? "";
      const owner = isBooked(child) ? session.id : this.spawner(session.id, [rest[0]?.key ?? firstKey, firstKey]);
      const spawn = spawnId(firstKey);
      if (owner !== session.id) {
        // Of a child that is not settled, and not of this import, nobody knows yet what it holds.
        const held = this.holder(rest[0]?.key ?? firstKey);
        if (held === undefined) count(owner, calls.length);
        else if (calls.length > 0) uncounted.push({ child: child.id, ...held, calls: calls.length });
      } else if (!isBooked(child) && [...books.children.values()].some(({ spawnedBy }) => spawnedBy === spawn)) {
        within.push({ child: child.id, calls: calls.length });
      } else {
        this.spawned.set(firstKey, owner);
        for (const { key } of calls) this.inChild.set(key, { node, session: owner });
        children.push({ ...child, calls, firstKey, written: child.calls });
      }
    }
    const taken = new Set([...main, ...children.flatMap(({ calls }) => calls.map(({ key }) => key))]);
    const compactions = session.compactions.filter((call) => !taken.has(call.key) && !stays(call)).filter(mine);
    const { id, firstAt } = session;
    const base = { id, compactions, children, empty, within, elsewhere, uncounted };
    return { ...base, ...(turns === undefined ? {} : { turns }), ...(firstAt === undefined ? {} : { firstAt }) };
  }

  /** Where a call is metered by itself. */
  private meteredIn(key: string): string | undefined {
    return this.booked.get(meterId(key)) ?? this.metered.get(key);
  }

  /** Which child counts a call. */
  private holder(key: string): Holder | undefined {
    return this.holders.calls.get(markOf(key)) ?? this.inChild.get(key);
  }

  /** Another session that spawned a child with one of these calls; else `session`. */
  private spawner(session: string, keys: readonly string[]): string {
    const owners = keys.map((key) => this.booked.get(spawnId(key)) ?? this.spawned.get(key) ?? session);
    return owners.find((owner) => owner !== session) ?? session;
  }

  /**
   * A child's calls without copies: `rest` without those of its own session's main thread (also one that is gone) and of what other
   * sessions metered, `calls` also without those that other children hold.
   */
  private unclaimed(
    session: string,
    node: string,
    child: Child,
    main: ReadonlySet<string>,
    metered: Booked["metered"],
  ): { calls: Call[]; rest: Call[]; copies: [string, number][] } {
    const copies: [string, number][] = [];
    const rest = child.calls.filter(({ key }) => {
      const entry = metered.get(meterId(key));
      if (main.has(key) || (entry !== undefined && entry.agent !== child.id)) return false;
      const owner = this.meteredIn(key) ?? session;
      if (owner !== session) copies.push([owner, 1]);
      return owner === session;
    });
    const calls = rest.filter(({ key }) => {
      const held = this.meteredIn(key) === undefined ? this.holder(key) : this.inChild.get(key);
      if (held === undefined || held.node === node) return true;
      if (held.session !== session) copies.push([held.session, 1]);
      return false;
    });
    return { calls, rest, copies };
  }
}

function byTime(a: Child, b: Child): number {
  return (a.firstAt ?? 0) - (b.firstAt ?? 0) || (a.id < b.id ? -1 : 1);
}
