/** A job's rows and its spend commit together; others wait for the locks and nobody loses. */
import pg from "pg";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { connect } from "../../src/database/connect.js";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { useClients } from "./client.js";

const clients = useClients();
const metered = { input_tokens: 7, output_tokens: 3, usd: "0.01" };

beforeAll(async () => {
  await clients.database.pool.query("create table jobs (tenant_id text, id text)");
  await clients.database.pool.query("grant all on jobs to public");
});

async function jobsOf(ledger: Ledger): Promise<string[]> {
  const { rows } = await clients.database.pool.query("select id from jobs where tenant_id = $1 order by id", [
    ledger.tenantId,
  ]);
  return rows.map(({ id }) => id);
}

const note = (client: pg.ClientBase, ledger: { tenantId: string }, id: string): Promise<unknown> =>
  client.query("insert into jobs values ($1, $2)", [ledger.tenantId, id]);

const advisoryLocks = async (): Promise<number> =>
  (
    await clients.database.pool.query(
      "select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
    )
  ).rowCount ?? 0;

describe("withTransaction", () => {
  it("commits the application's rows and the spend together", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    const seq = await ledger.withTransaction({ pools: ["p"] }, async (client, inside) => {
      await note(client, ledger, "done");
      const { seq } = await inside.pool("p").observe(metered);
      // What the transaction wrote, it sees.
      expect(await inside.pool("p").readout()).toMatchObject({ tokensLeft: 90 });
      expect(await pool.readout()).toMatchObject({ tokensLeft: 100 });
      return seq;
    });
    expect(seq).toBe(2);
    expect(await jobsOf(ledger)).toEqual(["done"]);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 90 });
    expect(await advisoryLocks()).toBe(0);
  });

  it("undoes both where the work throws, and throws what it threw", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    const own = new TypeError("of the application");
    let runs = 0;
    const failing = ledger.withTransaction({ pools: ["p"] }, async (client, inside) => {
      runs += 1;
      await note(client, ledger, "never");
      await inside.pool("p").observe(metered);
      throw own;
    });
    await expect(failing).rejects.toBe(own);
    expect(runs).toBe(1);
    expect(await jobsOf(ledger)).toEqual([]);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 100 });
    expect(await advisoryLocks()).toBe(0);
  });

  it("does not pass for committed what a swallowed error has undone", async () => {
    const ledger = await clients.open();
    await ledger.openPool({}, { poolId: "p" });
    const swallowing = ledger.withTransaction({ pools: ["p"] }, async (client) => {
      await note(client, ledger, "never");
      await client.query("select 1 / 0").catch(() => {});
    });
    await expect(swallowing).rejects.toMatchObject({ code: "25P02", retryable: false });
    expect(await jobsOf(ledger)).toEqual([]);
  });

  it("is refused whole by an atomic batch, and by an unknown pool", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ tokens: 5 }, { poolId: "p" });
    const refused = ledger.withTransaction({ pools: ["p"] }, async (client, inside) => {
      await note(client, ledger, "never");
      const operation = { op: "spawn", operation_id: "s", pool_id: "p", label: "w", budget: { tokens: 6 } };
      await inside.apply([operation], { atomic: true });
    });
    await expect(refused).rejects.toMatchObject({ code: "LG008", name: "batch_rejected" });
    expect(await jobsOf(ledger)).toEqual([]);
    await expect(ledger.withTransaction({ pools: ["nowhere"] }, async () => {})).rejects.toMatchObject({
      code: "LG002",
    });
    expect(await advisoryLocks()).toBe(0);
  });

  it("waits for another that has the pool, and then sees what it did", async () => {
    const [ledger, other] = await clients.open().then((one) => [one, clients.again(one)] as const);
    await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let inside = (): void => {};
    const entered = new Promise<void>((resolve) => {
      inside = resolve;
    });
    const first = ledger.withTransaction({ pools: ["p"] }, async (_, within) => {
      inside();
      await held;
      await within.pool("p").observe(metered);
    });
    await entered;
    const second = other.withTransaction({ pools: ["p"] }, async (_, within) => {
      await within.pool("p").observe(metered);
      return within.pool("p").readout();
    });
    await vi.waitFor(async () => {
      const { rowCount } = await clients.database.pool.query(
        "select from pg_locks where locktype = 'advisory' and not granted",
      );
      expect(rowCount).toBe(1);
    });
    letGo();
    await first;
    expect(await second).toMatchObject({ tokensLeft: 80 });
    expect([ledger.statistics().retries.conflict, other.statistics().retries.conflict]).toEqual([0, 0]);
  });

  it("loses nothing among concurrent callers and submits on one pool", { timeout: 60_000 }, async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const transactions = Array.from({ length: 24 }, (_, index) =>
      ledger.withTransaction({ pools: ["p"] }, async (client, inside) => {
        await note(client, ledger, String(index).padStart(2, "0"));
        await inside.pool("p").observe(metered);
      }),
    );
    const calls = Array.from({ length: 24 }, () => pool.observe(metered));
    await Promise.all([...transactions, ...calls]);
    expect(await jobsOf(ledger)).toHaveLength(24);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 10_000 - 480 });
    expect(await advisoryLocks()).toBe(0);
  });

  it("is run again, whole, where it lost", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    let runs = 0;
    await ledger.withTransaction({ pools: ["p"] }, async (client, inside) => {
      runs += 1;
      await note(client, ledger, `run ${runs}`);
      await inside.pool("p").observe(metered);
      if (runs < 3) await client.query("do $$ begin raise exception using errcode = '40001'; end $$");
    });
    expect(runs).toBe(3);
    expect(await jobsOf(ledger)).toEqual(["run 3"]);
    expect(ledger.statistics().retries.conflict).toBe(2);
    expect(await ledger.pool("p").readout()).toMatchObject({ tokensLeft: 90 });
  });

  it("says so where the connection breaks during COMMIT", async () => {
    const { tenantId } = await clients.open();
    const pool = new pg.Pool({ connectionString: clients.database.url });
    pool.on("connect", (client) => {
      const query = client.query.bind(client) as (...all: unknown[]) => unknown;
      // The server dies between the COMMIT's sending and its answer, as far as the client can tell.
      client.query = (async (asked: { text?: string }, ...rest: unknown[]) => {
        if (asked.text !== "commit") return query(asked, ...rest);
        const { rows } = (await query("select pg_backend_pid() as pid")) as pg.QueryResult;
        void clients.database.pool.query("select pg_terminate_backend($1)", [rows[0].pid]);
        return query("select pg_sleep(60)");
      }) as typeof client.query;
    });
    const ledger = createLedger({ pool, tenantId });
    await ledger.openPool({}, { poolId: "p" });
    const broken = ledger.withTransaction({ pools: ["p"] }, (_, inside) => inside.pool("p").observe(metered));
    await expect(broken).rejects.toMatchObject({ code: "08007", name: "transaction_resolution_unknown" });
    await ledger.close();
    await pool.end();
  });

  it("does not repeat the work for an error of its own, also where its connection broke", async () => {
    const ledger = await clients.open();
    await ledger.openPool({}, { poolId: "p" });
    const own = new Error("of the application");
    let runs = 0;
    const failing = ledger.withTransaction({ pools: ["p"] }, async (client) => {
      runs += 1;
      const { rows } = await client.query("select pg_backend_pid() as pid");
      await clients.database.pool.query("select pg_terminate_backend($1)", [rows[0].pid]);
      await client.query("select 1").catch(() => {});
      throw own;
    });
    await expect(failing).rejects.toBe(own);
    expect(runs).toBe(1);
  });

  it("takes no statement after its end, and none that would end it", async () => {
    const ledger = await clients.open();
    await ledger.openPool({}, { poolId: "p" });
    let late: Promise<unknown> = Promise.resolve();
    const failing = ledger.withTransaction({ pools: ["p"] }, async (client) => {
      await expect(client.query("COMMIT")).rejects.toMatchObject({ code: "LG001" });
      await expect(client.query("  rollback")).rejects.toMatchObject({ code: "LG001" });
      await client.query("savepoint s");
      await client.query("rollback to savepoint s");
      late = new Promise((resolve) => setTimeout(resolve, 100)).then(() => note(client, ledger, "late"));
      late.catch(() => {});
      throw new RangeError("of one branch");
    });
    await expect(failing).rejects.toThrow(RangeError);
    await expect(late).rejects.toMatchObject({ code: "LG001", detail: { path: "client" } });
    expect(await jobsOf(ledger)).toEqual([]);
  });

  it("refuses at once what would wait for itself", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    await ledger.openPool({}, { poolId: "q" });
    const code = { code: "LG001" };
    await ledger.withTransaction({ pools: ["p"] }, async () => {
      await expect(ledger.pool("p").observe(metered)).rejects.toMatchObject(code);
      await expect(ledger.withTransaction({ pools: ["q"] }, async () => {})).rejects.toMatchObject(code);
      await expect(ledger.close()).rejects.toMatchObject(code);
      // Another pool is nobody's, and reads are anybody's.
      await ledger.pool("q").observe(metered);
      expect(await ledger.pool("p").readout()).toMatchObject({ tokensLeft: 100 });
    });
  });
});

describe("on a transaction of the caller's", () => {
  it("writes and reads in it, and is refused outside SERIALIZABLE", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    const client = await connect(clients.urlOf(ledger));
    try {
      await client.query("begin isolation level serializable");
      const inside = ledger.on(client);
      await inside.openPool({}, { poolId: "q" });
      expect(
        await inside.apply([{ op: "meter", operation_id: "m", pool_id: "p", spend: { ...metered, iterations: 0 } }]),
      ).toMatchObject([{ status: "ok", result: { pool_id: "p", seq: 2 } }]);
      expect(await inside.db.selectFrom("pools").select("pool_id").orderBy("pool_id").execute()).toHaveLength(2);
      await client.query("rollback");
      expect(await ledger.db.selectFrom("pools").select("pool_id").execute()).toEqual([{ pool_id: "p" }]);
      await client.query("begin isolation level read committed");
      await expect(ledger.on(client).apply([])).rejects.toMatchObject({
        code: "LG006",
        name: "not_serializable",
        retryable: false,
      });
      await client.query("rollback");
    } finally {
      await client.end();
    }
  });
});
