/** How a billing period ends: a period is a pool, and nothing is reset. */
import { expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { type Tenant, useTenants } from "../ledger/tenants.js";

const tenants = useTenants();

/** `[total, free, reserved, committed, uncertain]` in dollars. */
async function dollars(ledger: Ledger, pool: string): Promise<unknown[]> {
  const row = await ledger.db
    .selectFrom("channels")
    .select(["total", "free", "reserved", "committed", "uncertain"])
    .where("tenant_id", "=", ledger.tenantId)
    .where("pool_id", "=", pool)
    .where("channel", "=", "usd")
    .executeTakeFirstOrThrow();
  return Object.values(row);
}

/** The dollars a pool had committed at an instant, by what had happened by then. */
async function committedBy(tenant: Tenant, pool: string, instant: Date): Promise<unknown> {
  const text = "select committed from ledger.balance_at($1, $2, $3, 'effective') where channel = 'usd'";
  return (await tenants.observer.query(text, [tenant.id, pool, instant])).rows[0]?.committed;
}

const usage = { input_tokens: 1_000, output_tokens: 100 };

it("opens the next pool, points new runs at it, and closes the old one when its last run has settled", async () => {
  const tenant = await tenants.tenant();
  const ledger = tenant.ledger();

  // November, with two runs; the first ends in time.
  const november = await ledger.openPool({ usd: "100" }, { poolId: "2026-11" });
  const run = (id: string, period: string) =>
    ledger.openPool({ usd: "10" }, { poolId: id, parentPoolId: period, run: { label: id } });
  const morning = await run("morning", "2026-11");
  await morning.observe({ ...usage, usd: "2" });
  await morning.close();
  const nightly = await run("nightly", "2026-11");
  const turn = await nightly.observe({ ...usage, usd: "3", usd_known: false });
  const room = await nightly.reserve({ usd: "4" }, { label: "worker" });
  expect(room.ok).toBe(true);
  expect(await dollars(ledger, "2026-11")).toEqual(["100", "88", "10", "2", "0"]);

  // December begins: a new pool with a budget of its own, which new runs point at. Nothing is moved or zeroed.
  const { rows: clock } = await tenants.observer.query("select clock_timestamp() as now");
  const december = await ledger.openPool({ usd: "80" }, { poolId: "2026-12" });
  const triage = await run("triage", "2026-12");
  await triage.observe({ ...usage, usd: "1" });
  await expect(november.close(), "a run is at work").rejects.toMatchObject({ code: "LG007" });
  await expect(nightly.close(), "its worker is at work").rejects.toMatchObject({ code: "LG007" });
  expect(await dollars(ledger, "2026-12")).toEqual(["80", "70", "10", "0", "0"]);

  // The last run ends and gives back what it did not spend; then November closes, with its balance as it was.
  if (room.ok) await nightly.reconcile(room.ticket, { iterations: 1, ...usage, usd: "1.5" });
  await nightly.close();
  await november.close();
  expect(await dollars(ledger, "2026-11")).toEqual(["100", "93.5", "0", "6.5", "3"]);
  const refused = await november.reserve({ usd: "1" }, { label: "too late" });
  expect(refused).toMatchObject({ ok: false, code: "pool-closed" });

  // What comes later belongs to November all the same: an invoice, and a turn that happened before December began.
  const receipt = { iterations: 0, ...usage, usd: "2.75" };
  const [corrected] = await ledger.apply([
    { op: "correct", operation_id: "invoice", of: turn.operationId, reason: "invoice", spend: receipt },
  ]);
  expect(corrected).toMatchObject({ status: "ok" });
  const late = { ...usage, usd: "0.25" };
  await nightly.observe(late, { turn: 1, effectiveAt: new Date(clock[0].now).toISOString() });
  expect(await dollars(ledger, "2026-11")).toEqual(["100", "93.5", "0", "6.5", "0"]);
  expect(await dollars(ledger, "nightly")).toEqual(["4.5", "0", "0", "4.5", "0"]);
  expect(await dollars(ledger, "2026-12")).toEqual(["80", "70", "10", "0", "0"]);
  expect(await committedBy(tenant, "nightly", clock[0].now)).toBe("3.25");

  await triage.close();
  expect(await dollars(ledger, "2026-12")).toEqual(["80", "79", "0", "1", "0"]);
  await december.close();
});
