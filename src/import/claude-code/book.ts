/** Books one session: plans against what is booked, applies, and plans again until nothing is left to do. */
import { Complaint } from "../../database/complaint.js";
import type { Answer, Operation } from "../../ledger/protocol.js";
import { type Booked, type Reading, readBooked, readGrowth, readPlaces } from "./booked.js";
import { type Claims, nothingOf, type Own } from "./claims.js";
import { nodeId, openId, spawnId } from "./ids.js";
import { planSession, type Step } from "./plan.js";
import type { Problem } from "./problems.js";
import type { SessionReport } from "./report.js";
import type { Session } from "./session.js";

/** The part of a ledger that an import uses. */
export interface Writing extends Reading {
  apply(operations: readonly Operation[]): Promise<Answer[]>;
}

/** What the sessions of one import share. */
export interface Books {
  readonly ledger: Writing;
  /** In which pool an operation is booked or was refused, as far as anybody asked. */
  readonly where: Map<string, string>;
  /** Operations that were refused. */
  readonly refused: Set<string>;
  readonly claims: Claims;
  readonly budget?: Readonly<Record<string, string>>;
}

/** These follow from a spawn or an opening that was not done. */
const FOLLOWING = ["LG002", "LG003"];

/** Somebody else was faster: read again and plan again. */
const OVERTAKEN = ["LG011", "LG004", ...FOLLOWING];

/** What fails for such a reason is asked again once. */
const ATTEMPTS = 2;

/** Every round settles something, or another import does; more than a few mean that somebody keeps at it. */
const ROUNDS = 10;

/** Books a session; `settle` says whether its children are settled. */
export async function bookSession(books: Books, session: Session, settle: boolean): Promise<SessionReport> {
  return new Booking(books, session, settle).run();
}

/** A session beside its books. */
interface Seen {
  readonly booked: Booked;
  readonly own: Own;
  readonly refused: ReadonlySet<string>;
}

class Booking {
  private readonly problems: Problem[] = [];
  private readonly undated = new Set<string>();
  /** Operations that the ledger does not take, and how often it said so. */
  private readonly failed = new Map<string, number>();
  private readonly counts = { new: 0, corrected: 0, spawned: 0, settled: 0 };
  private opened = false;

  constructor(
    private readonly books: Books,
    private readonly session: Session,
    private readonly settle: boolean,
  ) {}

  async run(): Promise<SessionReport> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { booked, own, refused } = await this.read();
      if (booked.foreign) {
        this.complain(`a pool of the id ${this.session.id} exists and is no run: nothing of this session is booked`);
        return this.report(own, booked, refused);
      }
      const { budget } = this.books;
      const settings = { ...(budget && { budget }), settle: this.settle, undated: this.undated, refused };
      const { steps, notes } = planSession(own, booked, settings);
      const left = steps.filter(({ operation }) => !this.gaveUp(operation.operation_id));
      if (left.every(({ operation }) => operation.op === "open_pool")) {
        await this.tell(own, booked, refused, notes);
        return this.report(own, booked, refused);
      }
      await this.apply(left);
      if (this.gaveUp(openId(this.session.id))) return this.report(own, booked, refused);
    }
    this.complain("the books of this session kept changing while it was imported: import it again");
    const { booked, own, refused } = await this.read();
    return this.report(own, booked, refused);
  }

  private async read(): Promise<Seen> {
    const { ledger, claims, where, refused: turnedDown } = this.books;
    const { id } = this.session;
    const booked = await readBooked(ledger, id);
    // What cannot be booked here is not kept from other sessions that hold it.
    const own = booked.foreign ? nothingOf(id) : claims.own(this.session, booked);
    const refused = own.children
      .filter((child) => !booked.children.has(nodeId(id, child.id)))
      .map(({ firstKey }) => spawnId(firstKey))
      .filter((spawn) => turnedDown.has(spawn) && where.get(spawn) === id);
    return { booked, own, refused: new Set(refused) };
  }

  private async apply(steps: readonly Step[]): Promise<void> {
    const answers = await this.books.ledger.apply(steps.map(({ operation }) => operation));
    const conflicts: string[] = [];
    steps.forEach((step, position) => {
      const answer = answers[position];
      const { operation_id: id } = step.operation;
      if (answer === undefined) return;
      if (answer.status === "ok") this.count(step);
      else if (answer.status === "refused" || answer.code === "LG005") conflicts.push(id);
      else if (answer.status === "replayed") {
        if (answer.code !== null) conflicts.push(id);
      } else if (answer.code === "LG001" && answer.result.path === "effective_at") this.notYet(id);
      else this.fail(step, answer);
    });
    if (conflicts.length === 0) return;
    const places = await readPlaces(this.books.ledger, conflicts);
    for (const [id, pool] of places.where) this.books.where.set(id, pool);
    for (const id of places.refused) this.books.refused.add(id);
    const opening = openId(this.session.id);
    const pool = conflicts.includes(opening) ? this.books.where.get(opening) : undefined;
    if (pool !== undefined && pool !== this.session.id) {
      this.failed.set(opening, ATTEMPTS);
      this.complain(`not booked: the operation id ${opening} that opens the run is in use in the pool ${pool}`);
    }
    for (const id of conflicts.filter((id) => !this.books.where.has(id))) {
      // Two imports at once may be seen halfway; twice means that the id was used for something else.
      this.failed.set(id, (this.failed.get(id) ?? 0) + 1);
      if (this.gaveUp(id)) this.complain(`not booked: the operation id ${id} is in use for something else`);
    }
  }

  private complain(problem: string): void {
    this.problems.push({ file: `${this.session.id}.jsonl`, problem });
  }

  private notYet(id: string): void {
    if (this.undated.has(id)) this.failed.set(id, ATTEMPTS);
    this.undated.add(id);
    this.complain(`${id}: the server takes its time for the future: booked at the time of its import`);
  }

  private fail({ operation }: Step, { code, result }: Answer): void {
    const { operation_id: id, op } = operation;
    const why = [code, result.path, result.rule].filter(Boolean).join(" ");
    if (op === "open_pool" && !OVERTAKEN.includes(code ?? "")) {
      throw new Complaint(`the run ${this.session.id} cannot be opened: ${why}. Look at the budget given`);
    }
    this.failed.set(id, (this.failed.get(id) ?? 0) + (OVERTAKEN.includes(code ?? "") ? 1 : ATTEMPTS));
    // What a missing pool or node keeps out needs no line of its own: its opening or spawn has one.
    if (this.gaveUp(id) && !FOLLOWING.includes(code ?? "")) this.complain(`not booked: ${op} ${id}: ${why}`);
  }

  private gaveUp(id: string): boolean {
    return (this.failed.get(id) ?? 0) >= ATTEMPTS;
  }

  private count({ operation, calls }: Step): void {
    this.counts.new += calls;
    if (operation.operation_id === openId(this.session.id)) this.opened = true;
    if (operation.op === "correct") this.counts.corrected += 1;
    if (operation.op === "spawn") this.counts.spawned += 1;
    if (operation.op === "settle") this.counts.settled += 1;
  }

  private async tell(own: Own, booked: Booked, refused: ReadonlySet<string>, notes: readonly string[]): Promise<void> {
    const say = (problem: string): void => this.complain(problem);
    for (const note of notes) say(note);
    for (const id of own.empty) say(`agent ${id} has no model call${this.settle ? ": left out" : " yet"}`);
    for (const { child, calls } of own.within)
      say(`agent ${child} began as a copy of another agent of this session, which counts its ${calls} calls`);
    for (const { child, session: counted, node, calls } of own.uncounted) {
      const growth = await readGrowth(this.books.ledger, { session: counted, node });
      const maybe = growth === 0 ? "" : `, unless they are among the ${growth} that it grew by there`;
      say(
        `agent ${child} is counted in session ${counted}; ${calls} calls that only this copy holds are not counted${maybe}`,
      );
    }
    const turnedDown = own.children.filter(({ firstKey }) => refused.has(spawnId(firstKey)));
    for (const { id } of turnedDown)
      say(`agent ${id} was refused (ledger.refusals says why); its calls are metered in the run's own pool`);
    if (this.books.budget !== undefined && !this.opened && booked.capped !== undefined)
      say("the run exists and keeps its budget");
  }

  private report(own: Own, booked: Booked, refused: ReadonlySet<string>): SessionReport {
    const { session, counts } = this;
    const open = own.children.filter((child) => {
      const node = booked.children.get(nodeId(session.id, child.id));
      return node !== undefined && node.end === undefined;
    });
    const { turns = [], compactions, children } = session;
    const found = [turns, compactions, ...children.map(({ calls }) => calls)];
    return {
      run: session.id,
      files: session.files,
      calls: {
        found: new Set(found.flat().map(({ key }) => key)).size,
        new: counts.new,
        waiting: open.reduce((sum, { calls }) => sum + calls.length, 0),
        elsewhere: [...own.elsewhere].map(([where, calls]) => ({ session: where, calls })),
        corrected: counts.corrected,
      },
      children: {
        found: own.children.length,
        spawned: counts.spawned,
        settled: counts.settled,
        open: open.length,
        refused: own.children.filter(({ firstKey }) => refused.has(spawnId(firstKey))).length,
      },
      compactions: compactions.length,
      synthetic: session.synthetic,
      driverKnown: session.turns !== undefined,
      problems: [...session.problems, ...this.problems],
    };
  }
}
