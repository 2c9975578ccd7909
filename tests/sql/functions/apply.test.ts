/** Batches: order, one answer per operation, idempotency, all or nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { meter, openPool, openRun, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const outcomes = (answers: readonly { status: string; code: string | null }[]) =>
  answers.map(({ status, code }) => (code === null ? status : `${status} ${code}`));

describe("a batch", () => {
  it("is applied in order, one answer each", async () => {
    const books = await ledger.open();
    const answers = await books.apply([
      spawn("p", "early", { tokens: 1 }),
      openPool("p", { tokens: 10 }),
      spawn("p", "a", { tokens: 8 }),
      spawn("p", "b", { tokens: 8 }),
      settle("a", { input_tokens: 1 }),
      spawn("p", "b", { tokens: 8 }),
      settle("b", { input_tokens: 20 }),
      meter("p", { input_tokens: 1 }),
      spawn("p", "c", { tokens: 0 }),
    ]);
    expect(answers.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(outcomes(answers)).toEqual([
      "error LG002",
      "ok",
      "ok",
      "refused budget-exhausted",
      "ok",
      "ok",
      "ok",
      "ok",
      "refused budget-exhausted",
    ]);
    expect(answers[6]?.result).toMatchObject({
      seq: 5,
      violations: [{ channel: "tokens", reserved: "8", spent: "20" }],
    });
    expect(answers[8]?.result.shortfall).toEqual([{ channel: "tokens", requested: "0", free: "-12" }]);
    expect(await books.balance("p", "tokens")).toEqual(["-12", "0", "22"]);
  });

  it("may be empty", async () => {
    const books = await ledger.open();
    expect(await books.apply([])).toEqual([]);
    expect(await books.apply([], { atomic: true })).toEqual([]);
  });

  it("has at most a thousand operations", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const turns = (count: number) => Array.from({ length: count }, () => meter("p", { input_tokens: 1 }));
    await expect(books.apply(turns(1001))).rejects.toMatchObject({ code: "LG001" });
    expect(outcomes(await books.apply(turns(1000)))).toEqual(Array.from({ length: 1000 }, () => "ok"));
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "1000" });
  });

  it.each(["{}", "null", '"x"', "5"])("must be a list: %s is LG001", async (operations) => {
    const books = await ledger.open();
    const call = books.client.query("call ledger.submit($1, $2, false, null)", [books.tenantId, operations]);
    await expect(call).rejects.toMatchObject({ code: "LG001" });
    await expect(
      books.client.query("call ledger.submit($1, null, false, null)", [books.tenantId]),
    ).rejects.toMatchObject({ code: "LG001" });
  });

  it("answers each thing in it that is no operation", async () => {
    const books = await ledger.open();
    const operations = [
      5,
      null,
      "meter",
      [],
      {},
      { op: "meter" },
      { operation_id: "x" },
      { operation_id: "", op: "meter" },
      { operation_id: 7, op: "meter" },
      { operation_id: "x", op: "steal" },
      { operation_id: "x", op: null },
      { operation_id: "x", op: "any" },
      { operation_id: "x", op: "spend" },
      { operation_id: "x", op: "line" },
      { operation_id: "x", op: "Meter" },
      { operation_id: "x", op: "meter", pool_id: null },
    ];
    const { rows } = await books.client.query("call ledger.submit($1, $2, false, null)", [
      books.tenantId,
      JSON.stringify(operations),
    ]);
    const answers: { code: string; result: { path: string } }[] = rows[0].p_results;
    expect(answers.map(({ code, result }) => [code, result.path])).toEqual([
      ...["", "", "", ""].map((path) => ["LG001", path]),
      ...["operation_id", "operation_id", "op", "operation_id", "operation_id"].map((path) => ["LG001", path]),
      ...["op", "op", "op", "op", "op", "op"].map((path) => ["LG001", path]),
      ["LG001", "pool_id"],
    ]);
  });

  it("is as good as its parts one by one", async () => {
    const operations = [
      openRun("r", { tokens: 100, usd: "5" }),
      spawnDriver("r", "d", { tokens: 50 }),
      ...["a", "b", "c"].map((id) => spawn("d", id, { tokens: 10 })),
      meter("d", { input_tokens: 3, usd: "0.25" }),
      settle("b", { input_tokens: 11, usd: "0.5" }),
      { op: "cancel", node_id: "c", reason: "r" },
      spawn("d", "e", { tokens: 99 }),
      settle("a", { input_tokens: 1, usd_known: false }),
      { op: "deliver", pool_id: "d" },
    ].map((operation, n) => ({ ...operation, operation_id: `o${n}` }));
    const together = await ledger.open();
    const apart = await ledger.open();
    const whole = await together.apply(operations);
    const parts = [];
    for (const operation of operations) parts.push(...(await apart.apply([operation])));
    expect(whole.map(({ status, code, result }) => ({ status, code, result }))).toEqual(
      parts.map(({ status, code, result }) => ({ status, code, result })),
    );
    const state = async (books: typeof together) => [
      await books.rows(
        "select pool_id, channel, total, free, reserved, committed, uncertain, sealed from ledger.channels where tenant_id = $1 order by 1, 2",
      ),
      await books.rows(
        "select pool_id, seq, kind, operation_id, node_id, charged_tokens, usd, source_pool_id, source_seq from ledger.journal where tenant_id = $1 order by 1, 2",
      ),
      await books.rows(
        "select * from (select pool_id, seq, channel, funded, held, spent, uncertain from ledger.postings where tenant_id = $1) p order by 1, 2, 3",
      ),
      await books.rows("select node_id, status, hold, cursor from ledger.nodes where tenant_id = $1 order by 1"),
      await books.rows(
        "select pool_id, operation_id, label, code, shortfall from ledger.refusals where tenant_id = $1 order by 2",
      ),
    ];
    expect(await state(together)).toEqual(await state(apart));
  });
});

describe("an atomic batch", () => {
  /** The DETAIL of the LG008 that the operations raise. */
  async function rejected(
    books: Awaited<ReturnType<typeof ledger.open>>,
    operations: Parameters<typeof books.apply>[0],
  ) {
    const raised = await books.apply(operations, { atomic: true }).then(
      () => undefined,
      (error) => error,
    );
    expect(raised).toMatchObject({ code: "LG008", severity: "ERROR" });
    return JSON.parse(raised.detail);
  }

  it("is applied whole where nothing is refused or wrong", async () => {
    const books = await ledger.open();
    const operations = [openPool("p", { tokens: 5 }), spawn("p", "a", { tokens: 5 }, { operation_id: "a" })];
    expect(outcomes(await books.apply(operations, { atomic: true }))).toEqual(["ok", "ok"]);
    expect(outcomes(await books.apply([operations[1] ?? {}], { atomic: true }))).toEqual(["replayed"]);
  });

  it("is rolled back whole at the first refusal, whose trace goes too", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 5 }));
    const detail = await rejected(books, [
      meter("p", { input_tokens: 1 }),
      spawn("p", "a", { tokens: 9 }),
      { op: "steal" },
    ]);
    expect(detail).toEqual({
      name: "batch_rejected",
      position: 1,
      status: "refused",
      code: "budget-exhausted",
      result: { shortfall: [{ channel: "tokens", requested: "9", free: "4" }] },
    });
    expect(await books.balance("p", "tokens")).toEqual(["5", "0", "0"]);
    expect(await books.kinds("p")).toEqual(["opened"]);
    expect(await books.rows("select from ledger.refusals where tenant_id = $1")).toEqual([]);
  });

  it("says where the first error is", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 5 }));
    const detail = await rejected(books, [
      meter("p"),
      meter("p", { input_tokens: -1 }),
      spawn("p", "a", { tokens: 9 }),
    ]);
    expect(detail).toMatchObject({
      position: 1,
      status: "error",
      code: "LG001",
      result: { path: "spend.input_tokens" },
    });
    expect(detail.result.rule).toMatch(/whole number/);
    expect(await books.kinds("p")).toEqual(["opened"]);
  });

  it("takes back the expiries of a spawn that was short all the same", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 5 }), spawn("p", "a", { tokens: 3 }, { lease_ms: 1 }));
    await sleep(5);
    await rejected(books, [spawn("p", "b", { tokens: 9 })]);
    expect(await books.node("a")).toMatchObject({ status: "pending" });
    expect(await books.balance("p", "tokens")).toEqual(["2", "3", "0"]);
  });

  it("is rejected for a refusal that is only replayed", async () => {
    const books = await ledger.open();
    const short = spawn("p", "a", { tokens: 9 }, { operation_id: "short" });
    await books.ok(openPool("p", { tokens: 5 }));
    await books.refused("budget-exhausted", short);
    const detail = await rejected(books, [meter("p"), short]);
    expect(detail).toMatchObject({ position: 1, status: "replayed", code: "budget-exhausted" });
    expect(await books.kinds("p")).toEqual(["opened"]);
  });
});
