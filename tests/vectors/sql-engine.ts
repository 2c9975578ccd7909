/**
 * The vectors' view of a real database: calls of `ledger.*` functions and reads of `ledger.*` views, as one tenant.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { ClientBase } from "pg";
import type { Answer, Engine, Operation, Row } from "./steps.js";

/** Which of the two entry points carries the operations. */
export type EntryPoint = "submit" | "apply";

/** Makes a fresh tenant and answers with an engine over it. */
export async function createSqlEngine(client: ClientBase, entryPoint: EntryPoint): Promise<SqlEngine> {
  const tenantId = `tenant-${randomUUID()}`;
  await client.query("select ledger.create_tenant($1)", [tenantId]);
  return new SqlEngine(client, tenantId, entryPoint);
}

export class SqlEngine implements Engine {
  constructor(
    private readonly client: ClientBase,
    readonly tenantId: string,
    private readonly entryPoint: EntryPoint,
  ) {}

  async apply(operations: readonly Operation[], options: { atomic: boolean }): Promise<Answer[]> {
    const parameters = [this.tenantId, JSON.stringify(operations), options.atomic];
    return this.entryPoint === "submit" ? this.submit(parameters) : this.applyInTransaction(parameters);
  }

  async channels(poolId: string): Promise<Record<string, Row>> {
    return by(
      "channel",
      await this.rows("select * from ledger.channels where tenant_id = $1 and pool_id = $2", poolId),
    );
  }

  async breakdown(runId: string): Promise<Record<string, Row>> {
    return by(
      "source",
      await this.rows("select * from ledger.spent_breakdown where tenant_id = $1 and run_id = $2", runId),
    );
  }

  async trajectory(runId: string): Promise<Record<string, Row>> {
    return by(
      "node_id",
      await this.rows("select * from ledger.trajectory where tenant_id = $1 and run_id = $2", runId),
    );
  }

  async journalKinds(poolId: string): Promise<Record<string, number>> {
    const rows = await this.rows(
      "select kind, count(*)::int as count from ledger.journal where tenant_id = $1 and pool_id = $2 group by kind",
      poolId,
    );
    return Object.fromEntries(rows.map((row) => [String(row.kind), Number(row.count)]));
  }

  async refusals(poolId: string): Promise<number> {
    const rows = await this.rows(
      "select operation_id from ledger.refusals where tenant_id = $1 and pool_id = $2",
      poolId,
    );
    return rows.length;
  }

  async equalK(experiment: string, tolerance: number | string = "0.05"): Promise<Record<string, Row>> {
    return by("channel", await this.rows("select * from ledger.equal_k($1, $2, $3)", experiment, tolerance));
  }

  /** Prices calls without a receipt from a book of these prices, from now on. */
  async priceFrom(prices: readonly object[]): Promise<void> {
    await this.rows("select ledger.put_prices($1, 'book', $2)", JSON.stringify(prices));
    await this.rows("select ledger.use_prices($1, 'book')");
  }

  audit(): Promise<Row[]> {
    return this.rows("select * from ledger.audit where tenant_id = $1");
  }

  async sleep(ms: number): Promise<void> {
    await wait(ms);
  }

  /** Runs a query whose first parameter is the tenant. */
  async rows(text: string, ...parameters: unknown[]): Promise<Row[]> {
    return (await this.client.query<Row>(text, [this.tenantId, ...parameters])).rows;
  }

  private async submit(parameters: unknown[]): Promise<Answer[]> {
    const { rows } = await this.client.query<{ p_results: Answer[] }>(
      "call ledger.submit($1, $2, $3, null)",
      parameters,
    );
    return rows[0]?.p_results ?? [];
  }

  private async applyInTransaction(parameters: unknown[]): Promise<Answer[]> {
    await this.client.query("begin isolation level serializable");
    try {
      const { rows } = await this.client.query<Answer>(
        "select position, status, code, result from ledger.apply($1, $2, $3) order by position",
        parameters,
      );
      await this.client.query("commit");
      return rows;
    } catch (error) {
      await this.client.query("rollback");
      throw error;
    }
  }
}

function by(column: string, rows: Row[]): Record<string, Row> {
  return Object.fromEntries(rows.map((row) => [String(row[column]), row]));
}
