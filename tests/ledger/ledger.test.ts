/** Making a client, sending batches, and ending it. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { createLedger } from "../../src/ledger/ledger.js";
import type { Operation } from "../../src/ledger/protocol.js";
import { useClients } from "./client.js";

const clients = useClients();

const open: Operation = { op: "open_pool", operation_id: "open", pool_id: "p", channels: { tokens: { total: 10 } } };
const meter = (tokens: number): Operation => ({
  op: "meter",
  operation_id: randomUUID(),
  pool_id: "p",
  spend: { iterations: 0, input_tokens: tokens, output_tokens: 0, usd: 0 },
});

describe("apply", () => {
  it("answers each operation: ok, refused, in error, replayed", async () => {
    const ledger = await clients.open();
    const batch: Operation[] = [
      open,
      { op: "spawn", operation_id: "s", pool_id: "p", label: "w", budget: { tokens: 11 } },
      {
        op: "meter",
        operation_id: "m",
        pool_id: "nowhere",
        spend: { iterations: 0, input_tokens: 1, output_tokens: 1, usd: 1 },
      },
      meter(3),
    ];
    expect(await ledger.apply(batch)).toMatchObject([
      { position: 0, status: "ok", code: null, result: { pool_id: "p", seq: 1 } },
      {
        position: 1,
        status: "refused",
        code: "budget-exhausted",
        result: { shortfall: [{ requested: "11", free: "10" }] },
      },
      { position: 2, status: "error", code: "LG002", result: { path: "pool_id" } },
      { position: 3, status: "ok", result: { seq: 2 } },
    ]);
    expect((await ledger.apply(batch)).map(({ status, code }) => [status, code])).toEqual([
      ["replayed", null],
      ["replayed", "budget-exhausted"],
      ["error", "LG002"],
      ["replayed", null],
    ]);
    expect(await ledger.apply([])).toEqual([]);
  });

  it("takes any number in order, and nobody comes in between", async () => {
    const ledger = await clients.open();
    await ledger.apply([open]);
    const [answers, [frozen]] = await Promise.all([
      ledger.apply(Array.from({ length: 450 }, () => meter(1))),
      ledger.apply([{ op: "freeze", operation_id: "f", pool_id: "p" }]),
    ]);
    expect(answers.map(({ position, result }) => [position, result.seq])).toEqual(
      Array.from({ length: 450 }, (_, index) => [index, index + 2]),
    );
    expect(frozen?.result.seq).toBe(452);
    const { calls, ...rest } = ledger.statistics();
    expect(rest).toEqual({ operations: 452, retries: { conflict: 0, connection: 0 } });
    // On a slow machine the last part and the freeze are more than a call should have.
    expect([4, 5]).toContain(calls);
  });

  it("is all or nothing where asked, of a thousand at most", async () => {
    const ledger = await clients.open();
    const refused = { op: "fund", operation_id: "f", pool_id: "p", amounts: { tokens: -11 } };
    await expect(ledger.apply([open, refused], { atomic: true })).rejects.toMatchObject({
      code: "LG008",
      detail: { position: 1 },
    });
    expect(await ledger.db.selectFrom("pools").selectAll().execute()).toEqual([]);
    expect(await ledger.apply([open, ...Array.from({ length: 300 }, () => meter(1))], { atomic: true })).toHaveLength(
      301,
    );
    await expect(
      ledger.apply(
        Array.from({ length: 1_001 }, () => meter(1)),
        { atomic: true },
      ),
    ).rejects.toMatchObject({ code: "LG001" });
  });

  it("goes out in one call where others wait for it, and in calls of its own without coalescing", async () => {
    const [grouped, alone] = [await clients.open(), await clients.open({ coalesce: false })];
    for (const ledger of [grouped, alone]) {
      await ledger.apply([open]);
      await Promise.all(Array.from({ length: 50 }, () => ledger.apply([meter(1)])));
      expect(await ledger.pool("p").readout()).toMatchObject({ tokensLeft: -40 });
    }
    expect(grouped.statistics()).toMatchObject({ calls: 2, operations: 51 });
    expect(alone.statistics()).toMatchObject({ calls: 51, operations: 51 });
  });

  it("fails alone where the operation cannot even be sent", async () => {
    const ledger = await clients.open();
    await ledger.apply([open]);
    const [first, unsendable, poisoned] = await Promise.allSettled([
      ledger.apply([meter(1)]),
      ledger.apply([{ ...meter(1), turn: 1n }]),
      ledger.apply([{ ...meter(1), model: "a\u0000b" }]),
    ]);
    expect(first).toMatchObject({ status: "fulfilled", value: [{ status: "ok" }] });
    expect(unsendable).toMatchObject({ status: "rejected", reason: { code: "LG001", retryable: false } });
    expect(poisoned).toMatchObject({ status: "rejected", reason: { code: "22P05", retryable: false } });
    expect(await ledger.pool("p").readout()).toMatchObject({ tokensLeft: 9 });
  });
});

describe("options that there are not", () => {
  it("are refused, before anything is sent or read", async () => {
    const ledger = await clients.open();
    const code = { code: "LG001" };
    await expect(ledger.apply([open], { atomik: true } as object)).rejects.toMatchObject(code);
    await expect(ledger.apply(open as never)).rejects.toMatchObject(code);
    await expect(ledger.apply([null as never])).rejects.toMatchObject(code);
    await expect(ledger.events({ runId: "r" } as object).next()).rejects.toMatchObject(code);
    await expect(ledger.events({ after: "now", last: 5 }).next()).rejects.toMatchObject(code);
    await expect(ledger.withTransaction({ pool: "p" } as never, async () => {})).rejects.toMatchObject(code);
    expect(ledger.statistics().calls).toBe(0);
  });
});

it("names the operations that an outage leaves open", async () => {
  const ledger = createLedger({ connectionString: "postgres://nobody@127.0.0.1:1/nowhere", tenantId: "t" });
  await expect(ledger.apply([open, meter(1)])).rejects.toMatchObject({
    code: "08006",
    retryable: true,
    detail: { operation_ids: ["open", expect.any(String)] },
  });
  await expect(ledger.pool("p").readout()).rejects.toMatchObject({ code: "08006", retryable: true });
  await ledger.close();
});

it("sends what was asked, not what it was made into later", async () => {
  const ledger = await clients.open();
  await ledger.apply([open]);
  const detail = { step: 1 };
  const sent = ledger.apply([{ ...meter(1), detail }]);
  detail.step = 2;
  await sent;
  const row = await ledger.db.selectFrom("journal").select("detail").where("kind", "=", "metered").executeTakeFirst();
  expect(row?.detail).toEqual({ step: 1 });
});

describe("a client", () => {
  it("uses a pool of the application's, exactly, and leaves it open", async () => {
    const { tenantId, ...owner } = await clients.open();
    expect(owner).toBeDefined();
    const types = new pg.TypeOverrides();
    types.setTypeParser(20, Number);
    types.setTypeParser(1700, Number);
    const pool = new pg.Pool({ connectionString: clients.database.url, types });
    const ledger = createLedger({ pool, tenantId });
    await ledger.apply([open, meter(3)]);
    const [row] = await ledger.db
      .selectFrom("channels")
      .selectAll()
      .where("channel", "=", "tokens")
      .where("tenant_id", "=", tenantId)
      .execute();
    expect(row).toMatchObject({ total: "10", committed: "3" });
    await expect(ledger.migrate()).rejects.toMatchObject({ code: "LG001", detail: { path: "connectionString" } });
    await ledger.close();
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    await pool.end();
    const late = createLedger({ pool, tenantId });
    await expect(late.apply([open])).rejects.toMatchObject({ name: "ledger_closed", retryable: false });
  });

  it("finishes what is under way when it is closed, and takes nothing more", async () => {
    const ledger = await clients.open();
    await ledger.apply([open]);
    const last = ledger.apply([meter(1)]);
    await ledger.close();
    expect(await last).toMatchObject([{ status: "ok" }]);
    await expect(ledger.apply([meter(1)])).rejects.toMatchObject({ name: "ledger_closed", retryable: false });
    await ledger.close();
  });

  it("migrates by its URL, as the superuser that it names", async () => {
    const ledger = createLedger({ connectionString: clients.database.url, tenantId: "t" });
    const lines: string[] = [];
    await ledger.migrate({ log: (line) => lines.push(line) });
    await ledger.close();
    expect(lines.join("\n")).toMatch(/up to date/i);
  });

  it.each([
    [{ tenantId: "" }, "options.tenantId"],
    [{ tenantId: "t", connectionString: "" }, "options.connectionString"],
    [{ tenantId: "t", connectionString: "htp:/x" }, "options.connectionString"],
    [{ tenantId: "t", pool: {} }, "options.pool"],
    [{ tenantId: "t", pool: new pg.Pool({ max: 3 }) }, "options.pool"],
    [{ tenantId: "t", pool: new pg.Pool(), connectionString: "postgres://h/d" }, "options.pool"],
    [{ tenantId: "t", colesce: true }, "options"],
  ])("is not made of %j", (options, path) => {
    expect(() => createLedger(options as never)).toThrow(
      expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path }) }),
    );
  });
});
