/** Writes operations through `ledger.submit`, in batches, as a client that imports would. */
import type pg from "pg";
import { PATIENCE, type RetryCounts, retryingCall } from "../../../src/ledger/retry.js";

const BATCH = 200;

export class Writer {
  private waiting: Record<string, unknown>[] = [];
  private written = 0;
  /** Calls that lost against another writer's and were done again. */
  readonly retries: RetryCounts = { conflict: 0, connection: 0 };

  constructor(
    private readonly client: pg.ClientBase,
    readonly tenantId: string,
    /** Tells the operation ids of several writers of one tenant apart. */
    private readonly name = "w",
  ) {}

  /** Operations written so far. */
  get operations(): number {
    return this.written;
  }

  /** Takes operations; full batches are written. */
  async put(...operations: readonly Record<string, unknown>[]): Promise<void> {
    for (const operation of operations) {
      this.waiting.push({ operation_id: `${this.name}-${++this.written}`, ...operation });
      if (this.waiting.length === BATCH) await this.flush();
    }
  }

  /** Writes what is left. Every operation must be ok. */
  async flush(): Promise<void> {
    const batch = this.waiting.splice(0);
    if (batch.length === 0) return;
    const call = "call ledger.submit($1, $2, false, null)";
    const submit = () => this.client.query(call, [this.tenantId, JSON.stringify(batch)]);
    const { rows } = await retryingCall(submit, this.retries, () => PATIENCE);
    const answers: { position: number; status: string }[] = rows[0].p_results;
    const bad = answers.find(({ status }) => status !== "ok");
    if (bad) throw new Error(`${JSON.stringify(batch[bad.position])}: ${JSON.stringify(bad)}`);
  }
}

/** What a turn or a child's end spent, different from one to the next. */
export function spendOf(n: number): Record<string, unknown> {
  return {
    iterations: n % 2,
    input_tokens: 1000 + (n % 97),
    output_tokens: 100 + (n % 13),
    cache_read_tokens: 500,
    usd: `0.0${100 + (n % 89)}`,
    ms: 900 + (n % 50),
  };
}

/** One metered turn. */
export function turn(poolId: string, n: number): Record<string, unknown> {
  return { op: "meter", pool_id: poolId, provider: "acme", model: `model-${n % 3}`, turn: n, spend: spendOf(n) };
}

/** A leaf. */
export function leaf(poolId: string, nodeId: string): Record<string, unknown> {
  return { op: "spawn", pool_id: poolId, node_id: nodeId, label: "leaf", budget: {} };
}

/** The end of a leaf. */
export function done(nodeId: string, n: number): Record<string, unknown> {
  return { op: "settle", node_id: nodeId, outcome: "done", provider: "acme", model: "small", spend: spendOf(n) };
}

/** A driver. */
export function driver(poolId: string, nodeId: string): Record<string, unknown> {
  return { op: "spawn", pool_id: poolId, node_id: nodeId, label: "driver", budget: {}, driver: true };
}

/** A run of its own. */
export function run(poolId: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { op: "open_pool", pool_id: poolId, channels: {}, run: { label: poolId, ...more } };
}
