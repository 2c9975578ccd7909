import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
let writer: pg.Client;
let tenantId: string;

beforeAll(async () => {
  tenantId = (await ledger.open()).tenantId;
  writer = await connect(await createLoginRole(ledger.database, { memberOf: "ledger_writer", tenantId }));
});

afterAll(async () => {
  await writer?.end();
});

const callerTenant = async (client: pg.ClientBase): Promise<unknown> =>
  (await client.query("select ledger.caller_tenant() as tenant")).rows[0].tenant;

describe("caller_tenant", () => {
  it("is all tenants for superusers and for members of owner and admin, whatever they are bound to", async () => {
    expect(await callerTenant(ledger.client)).toBe("*");
    const url = await createLoginRole(ledger.database, { memberOf: "ledger_admin", tenantId });
    const owner = new URL(await createLoginRole(ledger.database, { memberOf: "ledger_writer" }));
    await ledger.client.query(`grant ledger_owner to ${owner.username}`);
    for (const privileged of [url, owner.href]) {
      const client = await connect(privileged);
      expect(await callerTenant(client)).toBe("*");
      await client.end();
    }
  });

  it("is the binding of who logged in, not of who it has become", async () => {
    expect(await callerTenant(writer)).toBe(tenantId);
    await writer.query("set role ledger_writer");
    expect(await callerTenant(writer)).toBe(tenantId);
    await writer.query("reset role");
    await ledger.client.query(`set role ${String(writer.user)}`);
    expect(await callerTenant(ledger.client)).toBe("*");
    await ledger.client.query("reset role");
  });

  it("is the logged-in role's own inside a definer function of somebody else", async () => {
    await ledger.client.query(`
      create function public.borrowed() returns text language sql security definer as 'select ledger.caller_tenant()';
      grant execute on function public.borrowed() to public`);
    expect((await writer.query("select public.borrowed() as tenant")).rows).toEqual([{ tenant: tenantId }]);
  });
});
