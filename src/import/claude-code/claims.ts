/**
 * Which session counts a call that several hold: resumed and forked sessions begin with a copy of another's history. What is
 * booked decides; else the session that comes first, and in it the main file before children before compactions.
 */
import type { Booked } from "./booked.js";
import type { Call } from "./calls.js";
import { meterId, nodeId, spawnId } from "./ids.js";
import type { Child, Session } from "./session.js";

/** A child that its session counts. */
export interface OwnChild extends Child {
  /** What names the operation that spawns it: its first call, unless it is spawned already. */
  readonly firstKey: string;
  /** Calls in its files, those of its own and copies. */
  readonly written: readonly Call[];
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
  /** How many calls are counted in which other session. */
  readonly elsewhere: ReadonlyMap<string, number>;
  /** What a copy holds beyond the child that is counted, and so is not counted anywhere. */
  readonly uncounted: readonly { readonly child: string; readonly session: string; readonly calls: number }[];
  readonly firstAt?: number;
}

/** Divides the calls of an import between its sessions. Ask for the sessions in their order; asking again is allowed. */
export class Claims {
  private readonly metered = new Map<string, string>();
  private readonly spawned = new Map<string, string>();
  /** Calls of children: the node. */
  private readonly inChild = new Map<string, { node: string; session: string }>();

  /** `booked` answers in which pool an operation id is booked; it may learn more between two questions. */
  constructor(private readonly booked: ReadonlyMap<string, string>) {}

  own(session: Session, books: Pick<Booked, "children" | "metered">): Own {
    const elsewhere = new Map<string, number>();
    const count = (owner: string, calls: number): void => {
      if (calls > 0) elsewhere.set(owner, (elsewhere.get(owner) ?? 0) + calls);
    };
    const uncounted: { child: string; session: string; calls: number }[] = [];
    const empty: string[] = [];
    const mine = ({ key }: Call): boolean => {
      const owner =
        this.booked.get(meterId(key)) ?? this.metered.get(key) ?? this.inChild.get(key)?.session ?? session.id;
      if (owner === session.id) this.metered.set(key, owner);
      else count(owner, 1);
      return owner === session.id;
    };

    const turns = session.turns?.map((call, turn) => ({ call, turn })).filter(({ call }) => mine(call));
    const main = new Set(session.turns?.map(({ key }) => key));
    const children: OwnChild[] = [];
    for (const child of [...session.children].sort(byTime)) {
      if (child.calls.length === 0) empty.push(child.id);
      const { calls, copies } = this.unclaimed(session.id, child, main, books.metered);
      for (const [owner, found] of copies) count(owner, found);
      const [first] = calls;
      if (first === undefined) continue;
      const node = nodeId(session.id, child.id);
      const owner = books.children.has(node)
        ? session.id
        : (this.booked.get(spawnId(first.key)) ?? this.spawned.get(first.key) ?? session.id);
      if (owner === session.id) {
        this.spawned.set(first.key, owner);
        for (const { key } of calls) this.inChild.set(key, { node, session: owner });
        children.push({ ...child, calls, firstKey: first.key, written: child.calls });
      } else {
        count(owner, calls.length);
        const more = calls.filter(({ key }) => this.spawned.has(first.key) && this.inChild.get(key)?.session !== owner);
        if (more.length > 0) uncounted.push({ child: child.id, session: owner, calls: more.length });
      }
    }
    const taken = new Set([...main, ...children.flatMap(({ calls }) => calls.map(({ key }) => key))]);
    const compactions = session.compactions.filter(({ key }) => !taken.has(key)).filter(mine);
    const { id, firstAt } = session;
    const base = { id, compactions, children, empty, elsewhere, uncounted };
    return { ...base, ...(turns === undefined ? {} : { turns }), ...(firstAt === undefined ? {} : { firstAt }) };
  }

  /** A child's calls without copies: of its own session's main thread (also one that is gone), of an earlier child, of what other sessions metered. */
  private unclaimed(
    session: string,
    child: Child,
    main: ReadonlySet<string>,
    metered: Booked["metered"],
  ): { calls: Call[]; copies: [string, number][] } {
    const node = nodeId(session, child.id);
    const copies: [string, number][] = [];
    const calls = child.calls.filter(({ key }) => {
      const other = this.inChild.get(key);
      if (main.has(key) || (other?.session === session && other.node !== node)) return false;
      const entry = metered.get(meterId(key));
      if (entry !== undefined && entry.agent !== child.id) return false;
      const owner = this.booked.get(meterId(key)) ?? this.metered.get(key) ?? session;
      if (owner !== session) copies.push([owner, 1]);
      return owner === session;
    });
    return { calls, copies };
  }
}

function byTime(a: Child, b: Child): number {
  return (a.firstAt ?? 0) - (b.firstAt ?? 0) || (a.id < b.id ? -1 : 1);
}
