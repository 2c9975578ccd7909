/** Clients that do one thing after another at random, and remember what they were told. */
import { type Answer, type Operation, spendOf, sqlState } from "./operations.js";
import type { Session } from "./sessions.js";

/** Of one call: far above what a busy machine needs; more is a failure. */
const MOST_ATTEMPTS = 20;

/** An operation, and what came of it. */
export interface Played {
  readonly operation: Operation;
  readonly answer: Answer;
}

/** One client of the game. */
export class Player {
  readonly played: Played[] = [];
  readonly retries: string[] = [];
  /** Answers to batches that were submitted again and differ from the first ones. */
  readonly contradictions: string[] = [];
  private readonly batches: { operations: readonly Operation[]; answers: readonly Answer[] }[] = [];
  private readonly leaves: string[] = [];
  private made = 0;

  constructor(
    private readonly name: string,
    private readonly session: Session,
    private readonly tenantId: string,
    private readonly pools: readonly string[],
    /** Pools that cap no dollars. */
    private readonly dollarless: readonly string[],
    private readonly random: () => number,
  ) {}

  /** Submits one random batch; now and then an earlier one again. */
  async play(): Promise<void> {
    const earlier = this.batches[Math.floor(this.random() * this.batches.length)];
    if (earlier !== undefined && this.random() < 0.1) return this.repeat(earlier.operations, earlier.answers);
    const operations = Array.from({ length: 1 + this.below(5) }, () => this.operation());
    const answers = await this.submit(operations);
    this.batches.push({ operations, answers });
    for (const [index, operation] of operations.entries()) {
      this.played.push({ operation, answer: answers[index] as Answer });
    }
  }

  private async repeat(operations: readonly Operation[], first: readonly Answer[]): Promise<void> {
    const second = await this.submit(operations);
    for (const [index, answer] of first.entries()) {
      // An error is not kept: what failed may be done now, and is then a movement like any other.
      if (answer.status === "error")
        this.played.push({ operation: operations[index] as Operation, answer: second[index] as Answer });
      else if (JSON.stringify({ ...answer, status: "replayed" }) !== JSON.stringify(second[index])) {
        this.contradictions.push(`${JSON.stringify(answer)}, then ${JSON.stringify(second[index])}`);
      }
    }
  }

  private async submit(operations: readonly Operation[]): Promise<Answer[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.session.submit(this.tenantId, operations);
      } catch (error) {
        if (sqlState(error) !== "40001" || attempt === MOST_ATTEMPTS) throw error;
        this.retries.push("40001");
      }
    }
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  private operation(): Operation {
    const operation_id = `${this.name}-${this.made++}`;
    const pool_id = this.pick(this.pools);
    const usd = `0.${1 + this.below(9)}`;
    return { operation_id, ...this.content(this.random(), operation_id, pool_id, usd) };
  }

  /** A leaf, which is mostly not used again. */
  private leaf(): string {
    const index = this.below(this.leaves.length);
    const leaf = this.leaves[index] as string;
    if (this.random() < 0.8) this.leaves.splice(index, 1);
    return leaf;
  }

  /** Weighted so that most of it moves something. */
  private content(dice: number, id: string, pool_id: string, usd: string): Operation {
    if (dice < 0.3 || (dice < 0.65 && this.leaves.length === 0)) return this.spawn(id, pool_id, usd);
    if (dice < 0.5)
      return { op: "settle", node_id: this.leaf(), outcome: "done", spend: spendOf(this.below(20), usd, 1) };
    if (dice < 0.57) return { op: "cancel", node_id: this.leaf(), reason: "changed our mind" };
    if (dice < 0.65) return { op: "dispatch", node_id: this.pick(this.leaves) };
    if (dice < 0.82) return { op: "meter", pool_id, spend: spendOf(this.below(5), usd) };
    if (dice < 0.88) return { op: "expire", pool_id };
    if (dice < 0.92) return { op: "deliver", pool_id };
    if (dice < 0.96) return { op: "fund", pool_id: "root", amounts: { tokens: this.below(200) - 100 } };
    const named = this.pick(this.played)?.operation.operation_id ?? "nothing";
    return { op: "correct", of: named, spend: spendOf(this.below(30), usd, 1), reason: "the bill" };
  }

  /** Dollars are asked for where the pool caps them, so that few ends leave them unknown. */
  private spawn(node_id: string, pool_id: string, usd: string): Operation {
    this.leaves.push(node_id);
    const dollars = this.dollarless.includes(pool_id) ? {} : { usd };
    const lease = this.random() < 0.2 ? { lease_ms: 1 } : {};
    return { op: "spawn", pool_id, node_id, label: "leaf", budget: { tokens: this.below(10), ...dollars }, ...lease };
  }
}
