/** The books of one fresh tenant, kept through `ledger.submit` and read through the views of `ledger`. */
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { expect } from "vitest";

/** One operation in the JSON of `ledger.apply`; without an `operation_id` it gets a fresh one. */
export type Operation = Readonly<Record<string, unknown>>;

/** What an answer says beyond its status and code. */
export interface Result {
  readonly pool_id: string | null;
  readonly seq: number | null;
  readonly [key: string]: unknown;
}

/** One answer of `ledger.apply`. */
export interface Answer {
  readonly position: number;
  readonly status: "ok" | "refused" | "error" | "replayed";
  readonly code: string | null;
  readonly result: Result;
}

/** A row of a view. */
export type Row = Record<string, unknown>;

/**
 * How an operation reaches the ledger: in a call of its own, or behind another one of the same call.
 * The ledger takes different paths for them, and the answers must be the same.
 */
export type Way = "alone" | "in a batch";

/** Both ways, to run every test of an operation on. */
export const WAYS: readonly Way[] = ["alone", "in a batch"];

/** Where the operation that shares the call is booked, out of the way of the tests. */
export const BESIDE = "~beside";
const NOTHING = { iterations: 0, input_tokens: 0, output_tokens: 0, usd: "0" };

export class Books {
  private operations = 0;

  private constructor(
    readonly client: pg.ClientBase,
    readonly tenantId: string,
    private readonly way: Way,
  ) {}

  /** Makes a tenant of its own; `client` may write for it. */
  static async open(client: pg.ClientBase, way: Way = "alone"): Promise<Books> {
    const books = new Books(client, `tenant-${randomUUID()}`, way);
    await client.query("select ledger.create_tenant($1)", [books.tenantId]);
    if (way === "in a batch") await books.apply([{ op: "open_pool", pool_id: BESIDE, channels: {} }]);
    return books;
  }

  /** One call of `ledger.submit` with exactly these operations. */
  async apply(operations: readonly Operation[], options: { atomic?: boolean } = {}): Promise<Answer[]> {
    const numbered = operations.map((operation) => ({ operation_id: `operation-${++this.operations}`, ...operation }));
    const parameters = [this.tenantId, JSON.stringify(numbered), options.atomic ?? false];
    const { rows } = await this.client.query<{ p_results: Answer[] }>(
      "call ledger.submit($1, $2, $3, null)",
      parameters,
    );
    return rows[0]?.p_results ?? [];
  }

  /** Applies one operation the way these books go, and answers as if it had been alone. */
  async do(operation: Operation): Promise<Answer> {
    const before = this.way === "alone" ? [] : [{ op: "meter", pool_id: BESIDE, spend: NOTHING }];
    const answer = (await this.apply([...before, operation])).at(-1);
    if (!answer) throw new Error("no answer");
    return { ...answer, position: 0 };
  }

  /** Applies operations in order, each of which must be ok; answers the last result. */
  async ok(...operations: readonly Operation[]): Promise<Result> {
    let last: Answer | undefined;
    for (const operation of operations) {
      last = await this.do(operation);
      expect(last, JSON.stringify(operation)).toMatchObject({ status: "ok", code: null });
    }
    if (!last) throw new Error("no operation");
    return last.result;
  }

  /** Applies an operation that must be refused for that reason; answers the result. */
  async refused(code: string, operation: Operation): Promise<Result> {
    const answer = await this.do(operation);
    expect(answer, JSON.stringify(operation)).toMatchObject({ status: "refused", code });
    return answer.result;
  }

  /** Applies an operation that must be in error; answers the path at fault. */
  async failed(code: string, operation: Operation): Promise<unknown> {
    const answer = await this.do(operation);
    expect(answer, JSON.stringify(operation)).toMatchObject({ status: "error", code });
    expect(answer.result.rule, "a rule in words").toEqual(expect.stringMatching(/\w/));
    return answer.result.path;
  }

  /** Rows of a query whose first parameter is the tenant. */
  async rows(text: string, ...parameters: unknown[]): Promise<Row[]> {
    return (await this.client.query<Row>(text, [this.tenantId, ...parameters])).rows;
  }

  /** The one row of such a query. */
  async row(text: string, ...parameters: unknown[]): Promise<Row> {
    const [row, ...others] = await this.rows(text, ...parameters);
    if (!row || others.length > 0) throw new Error(`expected one row, got ${row ? others.length + 1 : 0}: ${text}`);
    return row;
  }

  /** `[free, reserved, committed]` of a channel. */
  async balance(poolId: string, channel: string): Promise<unknown[]> {
    const { free, reserved, committed } = await this.channel(poolId, channel);
    return [free, reserved, committed];
  }

  /** A row of `ledger.channels`. */
  channel(poolId: string, channel: string): Promise<Row> {
    const text = "select * from ledger.channels where tenant_id = $1 and pool_id = $2 and channel = $3";
    return this.row(text, poolId, channel);
  }

  /** A row of `ledger.nodes`. */
  node(nodeId: string): Promise<Row> {
    return this.row("select * from ledger.nodes where tenant_id = $1 and node_id = $2", nodeId);
  }

  /** The journal of a pool, in order. */
  journal(poolId: string): Promise<Row[]> {
    return this.rows("select * from ledger.journal where tenant_id = $1 and pool_id = $2 order by seq", poolId);
  }

  /** The kinds of a pool's journal, in order. */
  async kinds(poolId: string): Promise<unknown[]> {
    return (await this.journal(poolId)).map(({ kind }) => kind);
  }

  /** What is wrong with these books. */
  audit(): Promise<Row[]> {
    return this.rows("select * from ledger.audit where tenant_id = $1");
  }
}
