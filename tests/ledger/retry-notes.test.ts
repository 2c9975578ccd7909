/** What a client had to repeat arrives in `ledger.health`, and costs no call anything where it cannot. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { until } from "../concurrency/sessions.js";
import { type Tenant, useTenants } from "./tenants.js";

const tenants = useTenants();

beforeAll(async () => {
  await tenants.observer.query("create table counters (n int)");
  await tenants.observer.query("insert into counters values (0)");
  await tenants.observer.query("grant all on counters to public");
});

const retries = async ({ id }: Tenant): Promise<string> =>
  (await tenants.observer.query("select retries_24h from ledger.health where tenant_id = $1", [id])).rows[0]
    .retries_24h;

/** A transaction that loses its first attempts: somebody else changes the row after its snapshot. */
async function conflict(ledger: Ledger, times = 1): Promise<void> {
  let attempts = 0;
  await ledger.withTransaction({ pools: ["p"] }, async (client) => {
    attempts += 1;
    if (attempts <= times) await tenants.observer.query("update counters set n = n + 1");
    await client.query("update counters set n = n + 1");
  });
  expect(attempts).toBe(times + 1);
}

/** A transaction whose connection the server ends under it, once. */
async function loss(ledger: Ledger): Promise<void> {
  let attempts = 0;
  await ledger.withTransaction({ pools: ["p"] }, async (client) => {
    attempts += 1;
    const { rows } = await client.query("select pg_backend_pid() as pid");
    if (attempts === 1) await tenants.observer.query("select pg_terminate_backend($1, 5000)", [rows[0].pid]);
    await client.query("select 1");
  });
  expect(attempts).toBe(2);
}

describe("a client that had to repeat", () => {
  it("says so soon after, and what is left when it closes, each repetition once", async () => {
    const tenant = await tenants.tenant();
    const ledger = tenant.ledger();
    await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    expect(await retries(tenant)).toBe("0");
    await conflict(ledger, 2);
    await until(async () => (await retries(tenant)) === "2", "the conflicts are noted");
    await loss(ledger);
    await conflict(ledger);
    expect(ledger.statistics().retries).toEqual({ conflict: 3, connection: 1 });
    await ledger.close();
    expect(await retries(tenant)).toBe("4");
  });

  it("says nothing where nothing was repeated", async () => {
    const tenant = await tenants.tenant();
    const ledger = tenant.ledger();
    await ledger.openPool({}, { poolId: "p" });
    await ledger.close();
    const { rows } = await tenants.observer.query("select from ledger_private.retries where tenant_id = $1", [
      tenant.id,
    ]);
    expect(rows).toEqual([]);
  });

  it.each([
    ["may not", "revoke execute on function ledger.note_retries(text, integer) from ledger_writer"],
    ["meets a schema that has no such function", "drop function ledger.note_retries(text, integer)"],
  ])("that %s is none the worse", async (_what, statement) => {
    await tenants.observer.query(statement);
    const tenant = await tenants.tenant();
    const ledger = tenant.ledger();
    const pool = await ledger.openPool({ tokens: 100 }, { poolId: "p" });
    await conflict(ledger);
    for (let n = 0; n < 3; n++) await pool.observe({ input_tokens: 1, output_tokens: 0, usd: "0" });
    await conflict(ledger);
    await ledger.close();
    expect(ledger.statistics().retries.conflict).toBe(2);
    expect(await retries(tenant)).toBe("0");
  });
});
