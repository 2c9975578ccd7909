import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole, createTestDatabase } from "../../setup/database.js";
import { openPool } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const bind = (role: string | null, tenantId: string | null, by: pg.ClientBase = ledger.client) =>
  by.query("select ledger.bind_role($1, $2)", [role, tenantId]);

let url: string;
let role: string;

beforeAll(async () => {
  url = await createLoginRole(ledger.database, { memberOf: "ledger_writer" });
  role = new URL(url).username;
});

/** The tenant a fresh connection of the role acts for. */
async function actsFor(): Promise<unknown> {
  const client = await connect(url);
  try {
    return (await client.query("select ledger.caller_tenant() as tenant")).rows[0].tenant;
  } finally {
    await client.end();
  }
}

describe("bind_role", () => {
  it("binds a role to one tenant, the last one named", async () => {
    const [one, two] = [await ledger.open(), await ledger.open()];
    await bind(role, one.tenantId);
    expect(await actsFor()).toBe(one.tenantId);
    await bind(role, two.tenantId);
    expect(await actsFor()).toBe(two.tenantId);
    await bind(role, two.tenantId);
    expect(await actsFor()).toBe(two.tenantId);
  });

  it("binds a role to all tenants, and to none", async () => {
    await bind(role, "*");
    expect(await actsFor()).toBe("*");
    await bind(role, null);
    expect(await actsFor()).toBeNull();
    await bind(role, null);
    expect(await actsFor()).toBeNull();
  });

  it("is felt by the next call of a connection that is open", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const client = await connect(url);
    const pools = async () => (await client.query("select pool_id from ledger.pools")).rows;
    expect(await pools()).toEqual([]);
    await bind(role, books.tenantId);
    expect(await pools()).toEqual([{ pool_id: "p" }]);
    await bind(role, null);
    expect(await pools()).toEqual([]);
    await client.end();
  });

  it("opens the views of all tenants while it binds to all, and of one after that", async () => {
    const [one, two] = [await ledger.open(), await ledger.open()];
    for (const books of [one, two]) await books.ok(openPool("p"));
    const client = await connect(url);
    const tenants = async () =>
      (
        await client.query("select tenant_id from ledger.pools where tenant_id = any ($1)", [
          [one.tenantId, two.tenantId],
        ])
      ).rows;
    await bind(role, "*");
    expect(await tenants()).toHaveLength(2);
    await bind(role, two.tenantId);
    expect(await tenants()).toEqual([{ tenant_id: two.tenantId }]);
    await bind(role, "*");
    expect(await tenants()).toHaveLength(2);
    await bind(role, null);
    expect(await tenants()).toEqual([]);
    await client.end();
  });

  it("is of one database: what the role may see in another stays", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    await bind(role, "*");
    const other = await createTestDatabase();
    try {
      await other.pool.query("select ledger.create_tenant('t')");
      for (const tenantId of ["*", "t", null]) {
        await other.pool.query("select ledger.bind_role($1, $2)", [role, tenantId]);
        const client = await connect(url);
        const { rows } = await client.query("select pool_id from ledger.pools where tenant_id = $1", [books.tenantId]);
        await client.end();
        expect(rows, `bound to ${tenantId} elsewhere`).toEqual([{ pool_id: "p" }]);
      }
    } finally {
      await other.drop();
      await bind(role, null);
    }
  });

  it.each(["ledger_owner", "ledger_admin", "ledger_writer", "ledger_auditor"])(
    "goes on binding after %s was bound and let go",
    async (group) => {
      await ledger.client.query("begin");
      try {
        for (const tenantId of ["*", null]) await bind(group, tenantId);
        await bind(role, "*");
        await bind(role, null);
      } finally {
        await ledger.client.query("rollback");
      }
    },
  );

  it("records who bound it", async () => {
    const adminUrl = await createLoginRole(ledger.database, { memberOf: "ledger_admin" });
    const admin = await connect(adminUrl);
    await bind(role, "*", admin);
    await admin.end();
    const { rows } = await ledger.client.query(
      "select bound_by from ledger_private.role_bindings where role_name = $1",
      [role],
    );
    expect(rows).toEqual([{ bound_by: new URL(adminUrl).username }]);
  });

  it("needs a role and a tenant that exist", async () => {
    const books = await ledger.open();
    for (const name of ["nobody", "", null]) {
      await expect(bind(name, books.tenantId)).rejects.toMatchObject({
        code: "LG001",
        detail: expect.stringContaining('"path": "p_role"'),
      });
    }
    await bind(role, books.tenantId);
    await expect(bind(role, "nobody")).rejects.toMatchObject({ code: "LG012" });
    expect(await actsFor()).toBe(books.tenantId);
  });

  it("gives nothing to do to a role that is no member", async () => {
    const { rows } = await ledger.client.query("select rolname from pg_roles where rolname = 'pg_monitor'");
    expect(rows).toHaveLength(1);
    await bind("pg_monitor", "*");
    const granted = await ledger.client.query(
      "select has_function_privilege('pg_monitor', 'ledger.apply(text, jsonb, boolean)', 'execute') as may",
    );
    expect(granted.rows).toEqual([{ may: false }]);
    await bind("pg_monitor", null);
  });
});
