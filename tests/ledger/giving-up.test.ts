/** Callers that stop waiting hear what that means; what they asked is booked once or not at all; 5,000 at once are all answered. */
import pg from "pg";
import { describe, expect, it } from "vitest";
import type { BudgetPool, Ticket } from "../../src/ledger/budget-pool.js";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { until } from "../concurrency/sessions.js";
import { useClients } from "./client.js";

const clients = useClients();

const spend = { input_tokens: 1, output_tokens: 0, usd: "0.01" };

const outcomeOf = (asked: Promise<unknown>): Promise<unknown> => asked.catch((error: unknown) => error);

/** How often the operations of the pool are in the journal, by id. */
async function booked(ledger: Ledger, pool: BudgetPool): Promise<Record<string, number>> {
  const rows = await ledger.db
    .selectFrom("journal")
    .select(["operation_id", "kind"])
    .where("pool_id", "=", pool.poolId)
    .where("kind", "<>", "opened")
    .execute();
  const counts: Record<string, number> = {};
  for (const { operation_id } of rows) counts[operation_id] = (counts[operation_id] ?? 0) + 1;
  return counts;
}

/** Waits until a call of the ledger's waits for the lock of a pool, which somebody else has. */
async function untilWaiting(): Promise<void> {
  await until(async () => {
    const { rows } = await clients.database.pool.query(
      "select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())",
    );
    return rows.length > 0;
  }, "a call waits for the lock");
}

describe("a caller that does not wait any longer", () => {
  it("hears that nothing was sent, or that the outcome is not known, and then what it was", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    const late = new AbortController();
    const asked: Promise<unknown>[] = [];
    await clients.again(ledger).withTransaction({ pools: ["p"] }, async () => {
      asked.push(outcomeOf(pool.observe(spend, { operationId: "sent", signal: late.signal })));
      await untilWaiting();
      asked.push(outcomeOf(pool.observe(spend, { operationId: "queued", timeoutMs: 1 })));
      asked.push(outcomeOf(pool.observe(spend, { operationId: "patient" })));
      expect(await asked[1]).toMatchObject({
        name: "cancelled",
        code: "57014",
        retryable: true,
        detail: { sent: false, operation_ids: ["queued"] },
      });
      late.abort(new Error("no more"));
      expect(await asked[0]).toMatchObject({
        name: "transaction_resolution_unknown",
        code: "08007",
        retryable: true,
        cause: { message: "no more" },
        detail: { sent: true, operation_ids: ["sent"] },
      });
    });
    expect(await asked[2]).toMatchObject({ seq: 3 });
    expect(await pool.observe(spend, { operationId: "sent" })).toMatchObject({ seq: 2 });
    expect(await booked(ledger, pool)).toEqual({ sent: 1, patient: 1 });
    expect(await pool.readout()).toMatchObject({ tokensLeft: 98 });
  });

  it("before it began has sent nothing, by every verb", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    const { ticket } = (await pool.reserve({ tokens: 1 }, { label: "leaf" })) as { ticket: Ticket };
    const { calls } = ledger.statistics();
    const any = { signal: AbortSignal.abort(new Error("gone")), operationId: "o" };
    const batch = Array.from({ length: 401 }, (_, index) => {
      return { op: "fund", operation_id: `${index}`, pool_id: "p", amounts: { tokens: 1 } };
    });
    for (const asked of [
      pool.observe(spend, any),
      pool.reserve({ tokens: 1 }, { ...any, label: "leaf" }),
      pool.dispatch(ticket, any),
      pool.reconcile(ticket, { ...spend, iterations: 1 }, any),
      pool.cancel(ticket, { ...any, reason: "why" }),
      pool.announce(any),
      pool.fund({ tokens: 1 }, any),
      pool.close(any),
      ledger.openPool({ tokens: 1 }, { ...any, poolId: "q" }),
      ledger.apply(batch, { signal: any.signal }),
    ]) {
      expect(await outcomeOf(asked)).toMatchObject({ code: "57014", retryable: false, cause: { message: "gone" } });
    }
    expect(ledger.statistics().calls).toBe(calls);
    await ledger.withTransaction({ pools: ["p"] }, async (_client, inside) => {
      expect(await outcomeOf(inside.pool("p").observe(spend, any))).toMatchObject({ code: "57014" });
      await inside.pool("p").observe(spend, { timeoutMs: 60_000, operationId: "inside" });
    });
    await pool.cancel(ticket, { reason: "over", operationId: "end" });
    expect(Object.keys(await booked(ledger, pool))).toEqual(expect.arrayContaining(["inside", "end"]));
    expect(Object.keys(await booked(ledger, pool))).toHaveLength(3);
  });

  it("is told which option is malformed", async () => {
    const ledger = await clients.open();
    const pool = ledger.pool("p");
    for (const [asked, path] of [
      [pool.observe(spend, { timeoutMs: 0 }), "options.timeoutMs"],
      [pool.observe(spend, { timeoutMs: 2 ** 31 }), "options.timeoutMs"],
      [ledger.apply([], { timeoutMs: 0.5 }), "options.timeoutMs"],
      [ledger.apply([], { signal: {} as AbortSignal }), "options.signal"],
    ] as const) {
      expect(await outcomeOf(asked)).toMatchObject({ code: "LG001", detail: { path } });
    }
    const options = { tenantId: "t", connectionString: "postgres://h/d" };
    for (const [coalesce, path] of [
      [{ maxInFlight: 0 }, "options.coalesce.maxInFlight"],
      [{ maxOperations: 1_001 }, "options.coalesce.maxOperations"],
      [{ most: 1 }, "options.coalesce"],
      ["yes", "options.coalesce"],
    ] as const) {
      const make = (): Ledger => createLedger({ ...options, coalesce: coalesce as never });
      expect(make).toThrow(expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path }) }));
    }
    const small = new pg.Pool({ max: 10 });
    expect(() => createLedger({ tenantId: "t", pool: small, coalesce: { maxInFlight: 6 } })).toThrow(/at most 5 with/);
  });
});

describe("5,000 callers over ten connections", () => {
  it("are all answered, in order within each pool, and the one on a quiet pool is not last", async () => {
    const HOT = 3_000;
    const POOLS = 40;
    const EACH = 50;
    const setUp = await clients.open();
    const connections = new pg.Pool({ connectionString: clients.urlOf(setUp), max: 10 });
    const ledger = createLedger({ pool: connections, tenantId: setUp.tenantId });
    const open = (poolId: string): Promise<BudgetPool> => ledger.openPool({ tokens: 1_000_000 }, { poolId });
    const [hot, quiet] = await Promise.all([open("hot"), open("quiet")]);
    const pools = await Promise.all(Array.from({ length: POOLS }, (_, index) => open(`p${index}`)));
    const before = ledger.statistics();
    let most = 0;
    let answered = 0;
    const observe = async (pool: BudgetPool): Promise<number | null> => {
      const { seq } = await pool.observe(spend);
      answered += 1;
      most = Math.max(most, connections.totalCount);
      return seq;
    };
    const ofHot = Array.from({ length: HOT }, () => observe(hot));
    const ofPools = pools.map((pool) => Promise.all(Array.from({ length: EACH }, () => observe(pool))));
    const ofQuiet = observe(quiet).then(() => answered);
    expect(await Promise.all(ofHot)).toEqual(Array.from({ length: HOT }, (_, index) => index + 2));
    for (const seqs of ofPools) expect(await seqs).toEqual(Array.from({ length: EACH }, (_, index) => index + 2));
    expect(await ofQuiet).toBeLessThan(HOT);
    const { calls, operations } = ledger.statistics();
    expect(operations - before.operations).toBe(HOT + POOLS * EACH + 1);
    expect(calls - before.calls).toBeLessThan(500);
    expect(most).toBeLessThanOrEqual(10);
    await ledger.close();
    await connections.end();
  });
});
