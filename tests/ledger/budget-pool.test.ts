/** A pool as programs use it: what is sent, what comes back, what it refuses to send. */
import { describe, expect, it } from "vitest";
import { useClients } from "./client.js";

const clients = useClients();

const worked = { iterations: 1, input_tokens: 300, output_tokens: 100, usd: 0.25 };

describe("a pool", () => {
  it("reserves, reconciles, observes and reads out", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool(
      { tokens: 1_000, iterations: 4, usd: "2.50" },
      { poolId: "r", run: { label: "r" } },
    );
    const reserved = await pool.reserve({ tokens: 600, iterations: 2, usd: 1 }, { label: "worker" });
    if (!reserved.ok) throw new Error("refused");
    expect(reserved.ticket).toEqual({ nodeId: "r:s0", poolId: "r", driver: false, existing: false });
    expect(await pool.readout()).toEqual({
      tokensLeft: 400,
      tokensKnown: true,
      usdLeft: "1.5",
      usdCapped: true,
      usdKnown: true,
      iterationsLeft: 2,
      reservedTokens: 600,
      deadlineMs: null,
      resources: {},
    });
    await expect(pool.assertNoOpenTickets()).rejects.toMatchObject({ code: "LG007", detail: { nodes: ["r:s0"] } });
    await pool.dispatch(reserved.ticket);
    const settled = await pool.reconcile(
      reserved.ticket,
      { ...worked, input_tokens: 700 },
      { model: "m", verdict: { ok: 1 } },
    );
    expect(settled.violations).toEqual([{ channel: "tokens", reserved: "600", spent: "800" }]);
    expect(settled.spend).toMatchObject({ input_tokens: "700", usd: "0.25", usd_known: true });
    const { seq } = await pool.observe(
      { input_tokens: 150, output_tokens: 50, usd: "0.1" },
      { turn: 0, toolCalls: ["t"] },
    );
    expect(seq).toBe(5);
    await pool.assertNoOpenTickets();
    expect(await pool.readout()).toMatchObject({
      tokensLeft: 0,
      usdLeft: "2.15",
      iterationsLeft: 3,
      reservedTokens: 0,
    });
    expect(await ledger.spentBreakdown("r")).toMatchObject([
      { source: "driver_inference", input_tokens: "150", iterations: "0", usd: "0.1" },
      { source: "child_work", input_tokens: "700", iterations: "1", usd: "0.25" },
      { source: "total", input_tokens: "850", usd: "0.35" },
    ]);
    expect((await ledger.trajectory("r")).map(({ node_id, depth, own_usd }) => [node_id, depth, own_usd])).toEqual([
      ["r", 0, "0.1"],
      ["r:s0", 1, "0.25"],
    ]);
    await expect(pool.reconcile(reserved.ticket, worked)).rejects.toMatchObject({
      code: "LG004",
      name: "already_settled",
    });
  });

  it("says what was short, keeps funds where they are, and takes more", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 100, usd: 1 }, { poolId: "p" });
    expect(await pool.reserve({ tokens: 101, usd: "2" }, { label: "w" })).toEqual({
      ok: false,
      code: "budget-exhausted",
      shortfall: [
        { channel: "tokens", requested: "101", free: "100" },
        { channel: "usd", requested: "2", free: "1" },
      ],
    });
    expect(await pool.fund({ tokens: -101 })).toMatchObject({ ok: false, code: "not-free" });
    expect(await pool.fund({ tokens: 1, usd: "1.00" })).toEqual({ ok: true });
    expect(await pool.reserve({ tokens: 101, usd: "2" }, { label: "w" })).toMatchObject({ ok: true });
    expect(await pool.reserve({ tokens: 1, usd: 0 }, { label: "w", operationId: "o" })).toMatchObject({ ok: false });
    // Asked again by its id, a refusal is the same refusal.
    expect(await pool.reserve({ tokens: 1, usd: 0 }, { label: "w", operationId: "o" })).toMatchObject({ ok: false });
  });

  it("records what nobody reported as unknown", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 1_000 }, { poolId: "r", run: { label: "r" } });
    await pool.observe({ input_tokens: 10, output_tokens: 5 });
    expect(await pool.readout()).toMatchObject({ tokensLeft: 985, tokensKnown: true, usdLeft: null, usdKnown: false });
    await pool.observe({ usd: 0 });
    expect(await pool.readout()).toMatchObject({ tokensLeft: 985, tokensKnown: false, usdCapped: false });
    const rows = await ledger.db
      .selectFrom("journal")
      .selectAll()
      .where("kind", "=", "metered")
      .orderBy("seq")
      .execute();
    expect(rows.map(({ usd, usd_known, tokens_known }) => [usd, usd_known, tokens_known])).toEqual([
      [null, false, true],
      ["0", true, false],
    ]);
  });

  it("reads from its payer what it does not cap itself", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ usd: 10, gpu_seconds: 100 }, { poolId: "month" });
    const pool = await ledger.openPool(
      { tokens: 50, gpu_seconds: "7.5" },
      { poolId: "r", parentPoolId: "month", deadlineMs: 60_000 },
    );
    await pool.observe({ input_tokens: 1, output_tokens: 1, usd: 4, resources: { disk: { amount: 2 } } });
    const before = Date.now();
    const left = await pool.readout();
    expect(left).toMatchObject({
      tokensLeft: 48,
      usdLeft: "6",
      usdCapped: true,
      resources: { gpu_seconds: "7.5", disk: null },
    });
    expect(left.deadlineMs).toBeGreaterThan(before);
    await expect(ledger.pool("nowhere").readout()).rejects.toMatchObject({ code: "LG002" });
  });

  it("is not there where its parent had no room for it", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ tokens: 100 }, { poolId: "month" });
    const refused = ledger.openPool({ tokens: 1_000 }, { poolId: "r", parentPoolId: "month" });
    await expect(refused).rejects.toMatchObject({
      code: "budget-exhausted",
      name: "refused",
      retryable: false,
      detail: { shortfall: [{ channel: "tokens", requested: "1000", free: "100" }] },
    });
  });

  it("can be corrected by the id that booked it", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ usd: 1 }, { poolId: "p", unknownUsd: "flag" });
    const { operationId } = await pool.observe({ input_tokens: 1, output_tokens: 1 });
    const spend = { iterations: 0, input_tokens: 1, output_tokens: 1, usd: "0.25" };
    await ledger.apply([{ op: "correct", operation_id: "c", of: operationId, reason: "receipt", spend }]);
    expect(await pool.readout()).toMatchObject({ usdLeft: "0.75", usdKnown: true });
  });

  it("is found again by opening it again, and not by opening another of its name", async () => {
    const ledger = await clients.open();
    const id = "p".repeat(200);
    const options = { poolId: id, run: { label: "r" } };
    await (await ledger.openPool({ tokens: 100 }, options)).observe({ input_tokens: 1, output_tokens: 1, usd: 0 });
    const again = await ledger.openPool({ tokens: "100.0" }, options);
    expect(await again.readout()).toMatchObject({ tokensLeft: 98 });
    await expect(ledger.openPool({ tokens: 101 }, options)).rejects.toMatchObject({
      code: "LG005",
      retryable: false,
      message: expect.stringContaining("ledger.pool(id) takes it as it stands, fund changes its totals"),
    });
  });

  it("works by keys: done work is not done again", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 1_000, iterations: 4, usd: "2.50" }, { poolId: "p" });
    const ask = () => pool.reserve({ tokens: 600, iterations: 2, usd: 1 }, { label: "w", key: "k" });
    const first = await ask();
    if (!first.ok) throw new Error("refused");
    expect(await ask()).toMatchObject({ ok: false, code: "duplicate-key" });
    await pool.reconcile(first.ticket, worked);
    expect(await ask()).toMatchObject({ ok: true, ticket: { nodeId: first.ticket.nodeId, existing: true } });
    await pool.assertNoOpenTickets();
  });

  it("gives a driver a pool of its own, whose settlement is computed", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 1_000, usd: 5 }, { poolId: "r", run: { label: "r" } });
    const driver = await pool.reserve({ tokens: 500, usd: 2 }, { label: "d", driver: true });
    if (!driver.ok) throw new Error("refused");
    const own = ledger.pool(driver.ticket.nodeId);
    await own.observe({ input_tokens: 70, output_tokens: 30, usd: "0.5" });
    const child = await own.reserve({ tokens: 10, usd: 0 }, { label: "c" });
    if (!child.ok) throw new Error("refused");
    await expect(pool.reconcile(driver.ticket, null)).rejects.toMatchObject({ code: "LG007" });
    await own.cancel(child.ticket, { reason: "not needed" });
    expect((await pool.reconcile(driver.ticket, null)).spend).toMatchObject({ charged_tokens: "100", usd: "0.5" });
    expect(await pool.close()).toMatchObject({ returned: {} });
    expect(await pool.reserve({ tokens: 1, usd: 0 }, { label: "late" })).toMatchObject({
      ok: false,
      code: "pool-closed",
    });
  });

  it("splits a settlement by model", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({}, { poolId: "r", run: { label: "r" } });
    const child = await pool.reserve({}, { label: "c" });
    if (!child.ok) throw new Error("refused");
    await pool.reconcile(
      child.ticket,
      { iterations: 2, input_tokens: 30, output_tokens: 3 },
      {
        provider: "acme",
        lines: [
          { model: "a", iterations: 1, input_tokens: 10, output_tokens: 1 },
          { model: "b", iterations: 1, input_tokens: 20, output_tokens: 2 },
        ],
      },
    );
    const lines = await ledger.db.selectFrom("usage_lines").selectAll().orderBy("line").execute();
    expect(
      lines.map(({ provider, model, input_tokens, usd_known }) => [provider, model, input_tokens, usd_known]),
    ).toEqual([
      ["acme", "a", "10", false],
      ["acme", "b", "20", false],
    ]);
  });

  it.each([
    ["budget.tokens", (open: Open) => open.openPool({ tokens: -1 })],
    ["budget.usd", (open: Open) => open.openPool({ usd: "much" })],
    ["budget.token", (open: Open) => open.openPool({ token: 100 })],
    ["budget.USD", (open: Open) => open.pool("p").reserve({ USD: 4 }, { label: "w" })],
    ["budget.__proto__", (open: Open) => open.openPool(JSON.parse('{"__proto__": 5}'))],
    ["options.label", (open: Open) => open.pool("p").reserve({}, {} as never)],
    ["options.leaseMs", (open: Open) => open.pool("p").reserve({}, { label: "w", leaseMs: -5 })],
    ["options", (open: Open) => open.pool("p").observe({}, { turns: 1 } as never)],
    ["options.reason", (open: Open) => open.pool("p").cancel({ nodeId: "n" }, {} as never)],
    ["options.poolId", (open: Open) => open.openPool({}, { poolId: "a\u0000b" })],
  ])("sends nothing where %s is malformed", async (path, act) => {
    const ledger = await clients.open();
    await expect(act(ledger)).rejects.toMatchObject({ code: "LG001", name: "invalid_operation", detail: { path } });
    expect(ledger.statistics().calls).toBe(0);
  });
});

type Open = Awaited<ReturnType<typeof clients.open>>;

describe("a lease", () => {
  const lease = async (ledger: Open, nodeId: string): Promise<Date | null> => {
    const row = await ledger.db.selectFrom("nodes").select("lease_at").where("node_id", "=", nodeId).executeTakeFirst();
    return row?.lease_at ?? null;
  };

  it("is 15 minutes unless said otherwise, and none only where asked", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({}, { poolId: "p" });
    const before = Date.now();
    await pool.reserve({}, { label: "usual", nodeId: "usual" });
    await pool.reserve({}, { label: "none", nodeId: "none", leaseMs: null });
    const at = await lease(ledger, "usual");
    expect(Math.round(((at?.getTime() ?? 0) - before) / 60_000)).toBe(15);
    expect(await lease(ledger, "none")).toBeNull();
  });

  it("is renewed while the process lives, and no longer once the hold has ended or the client is closed", async () => {
    const ledger = await clients.open();
    const reader = clients.again(ledger);
    const pool = await ledger.openPool({}, { poolId: "p" });
    const tickets = [];
    for (const label of ["kept", "settled"]) {
      const reserved = await pool.reserve({}, { label, nodeId: label, leaseMs: 600 });
      if (!reserved.ok) throw new Error("refused");
      tickets.push(reserved.ticket);
    }
    await pool.reconcile(tickets[1] ?? { nodeId: "" }, worked);
    const [granted, ended] = [await lease(ledger, "kept"), await lease(ledger, "settled")];
    // Two renewals later it is past where it began to end.
    await expect
      .poll(async () => Number(await lease(reader, "kept")) - Number(granted), { timeout: 10_000 })
      .toBeGreaterThan(600);
    expect(await lease(reader, "settled")).toEqual(ended);
    await ledger.close();
    await expect
      .poll(
        async () =>
          (await reader.db.selectFrom("nodes").select("lapsed").where("node_id", "=", "kept").executeTakeFirst())
            ?.lapsed,
      )
      .toBe(true);
    const answers = await reader.apply([{ op: "expire", operation_id: "e" }]);
    expect(answers).toMatchObject([{ status: "ok", result: { expired: [{ node_id: "kept" }] } }]);
  });
});
