/**
 * The audit reads each row a few times, not each row for each other, also in a database that was never analysed: somebody audits
 * right after an import. Counted in rows that its plan touched, so the machine's speed does not matter.
 */
import { expect, it } from "vitest";
import type { Books } from "../books.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

interface Plan {
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Join Filter"?: number;
  readonly Plans?: readonly Plan[];
}

/** Rows that a plan yielded or threw away, over all of its nodes. */
function rowsTouched(plan: Plan): number {
  const each = plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Join Filter"] ?? 0);
  return (plan.Plans ?? []).reduce((sum, below) => sum + rowsTouched(below), each * plan["Actual Loops"]);
}

/** A month, and runs under it, each with a settled child and a turn whose dollars the month pays. */
async function keepBooks(books: Books, from: number, to: number): Promise<void> {
  const spend = { iterations: 1, input_tokens: 5, output_tokens: 1, usd: "0.01" };
  for (let run = from; run < to; run++) {
    const pool = `run-${run}`;
    const answers = await books.apply([
      {
        op: "open_pool",
        pool_id: pool,
        parent_pool_id: "month",
        channels: { tokens: { total: 100 } },
        run: { label: pool },
      },
      { op: "spawn", pool_id: pool, node_id: `${pool}:child`, label: "child", budget: { tokens: 10 } },
      { op: "meter", pool_id: pool, spend },
      { op: "settle", node_id: `${pool}:child`, outcome: "done", spend },
      ...(run % 2 === 0 ? [{ op: "close_pool", pool_id: pool }] : []),
    ]);
    expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
  }
}

it("touches four times as many rows for four times as many runs", { timeout: 60_000 }, async () => {
  const { rows: tables } = await ledger.client.query(
    "select oid::regclass::text as name from pg_class where relnamespace = 'ledger_private'::regnamespace and relkind = 'r'",
  );
  for (const { name } of tables) await ledger.client.query(`alter table ${name} set (autovacuum_enabled = false)`);
  const books = await ledger.open();
  await books.ok({ op: "open_pool", pool_id: "month", channels: { usd: { total: "1000" } } });
  const touched = async (): Promise<number> => {
    const { rows } = await ledger.client.query(
      "explain (analyze, timing off, format json) select * from ledger.audit where tenant_id = $1",
      [books.tenantId],
    );
    return rowsTouched(rows[0]["QUERY PLAN"][0].Plan);
  };
  await keepBooks(books, 0, 50);
  const few = await touched();
  await keepBooks(books, 50, 200);
  expect((await touched()) / few).toBeLessThan(5);
});
