/** Who may do what, tried by login roles; and what the catalog says about it. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useLedger } from "./ledger.js";
import { makeParties, type Parties, type PartyName, sqlstateOf } from "./privileges/parties.js";
import { PUBLIC_CALLS } from "./privileges/public-functions.js";

const DENIED = "42501";
const MEMBERS: readonly PartyName[] = [
  "writer",
  "auditor",
  "admin",
  "writer of all",
  "unbound writer",
  "unbound auditor",
];
const EVERYBODY: readonly PartyName[] = [...MEMBERS, "stranger"];

const ledger = useLedger();
let parties: Parties;

beforeAll(async () => {
  parties = await makeParties(ledger.database);
});

afterAll(async () => {
  await parties?.leave();
});

const as = (name: PartyName): pg.Client => parties.connections[name];

/** Names of a catalog query, which must find some. */
async function names(text: string): Promise<string[]> {
  const { rows } = await ledger.client.query<{ name: string }>(text);
  expect(rows.length).toBeGreaterThan(0);
  return rows.map(({ name }) => name);
}

const relationsOf = (schema: string, kind: "r" | "v"): Promise<string[]> =>
  names(`select relname as name from pg_class
    where relnamespace = '${schema}'::regnamespace and relkind = '${kind}' order by relname`);

describe.each(EVERYBODY)("%s", (name) => {
  it.each([
    ["select", (table: string) => `select from ledger_private.${table}`],
    ["insert", (table: string) => `insert into ledger_private.${table} default values`],
    ["update", (table: string) => `update ledger_private.${table} set tenant_id = tenant_id`],
    ["delete", (table: string) => `delete from ledger_private.${table}`],
    ["truncate", (table: string) => `truncate ledger_private.${table}`],
    ["copy", (table: string) => `copy ledger_private.${table} to stdout`],
    ["lock", (table: string) => `do $$ begin lock table ledger_private.${table} in access share mode; end $$`],
  ])("may not %s any table by name", async (_command, statement) => {
    for (const table of await relationsOf("ledger_private", "r")) {
      expect(await sqlstateOf(as(name).query(statement(table))), table).toBe(DENIED);
    }
  });

  it("finds no table by way of the search path", async () => {
    await as(name).query("set search_path = ledger_private, ledger");
    for (const table of ["role_bindings", "tenants", "operations"]) {
      expect(await sqlstateOf(as(name).query(`select from ${table}`)), table).toBe("42P01");
    }
    await as(name).query("reset search_path");
  });

  it("may not call any function of ledger_private", async () => {
    const calls = await names(`
      select format('select ledger_private.%I(%s)', proname, array_to_string(array_fill('null'::text, array[pronargs]), ', ')) as name
      from pg_proc where pronamespace = 'ledger_private'::regnamespace order by proname`);
    for (const call of calls) expect(await sqlstateOf(as(name).query(call)), call).toBe(DENIED);
  });

  it("has no privilege to execute one either, were the schema open", async () => {
    const { rows } = await as(name).query(`
      select oid::regprocedure::text from pg_proc
      where pronamespace = 'ledger_private'::regnamespace and has_function_privilege(oid, 'execute')`);
    expect(rows).toEqual([]);
  });

  it("may write no table, were the schema open", async () => {
    const { rows } = await as(name).query(`
      select relname from pg_class where relnamespace in ('ledger'::regnamespace, 'ledger_private'::regnamespace)
        and relkind in ('r', 'v') and has_table_privilege(oid, 'insert, update, delete, truncate, references, trigger')`);
    expect(rows).toEqual([]);
  });

  it.each([
    "create table ledger.mine (tenant_id text)",
    "create function ledger.mine() returns void language sql as ''",
    "create or replace view ledger.channels as select 1 as one",
    "create or replace function ledger.caller_tenant() returns text language sql as $$ select '*' $$",
    "drop view ledger.refusals",
    "alter view ledger.journal set (security_invoker = false)",
    "insert into ledger.channels (tenant_id) values ('x')",
    "update ledger.pools set state = 'open'",
    "delete from ledger.pools",
  ])("may not %s", async (statement) => {
    expect(await sqlstateOf(as(name).query(statement))).toBe(DENIED);
  });
});

describe("views", () => {
  /** The rows of a view as this connection sees them, as text to compare. */
  async function seen(client: pg.Client, view: string, tenantId?: string): Promise<string[]> {
    const { rows } = await client.query<{ row: string }>(
      // How old a hold is changes between two looks.
      `select (to_jsonb(v) - 'oldest_hold_ms')::text as row from ledger.${view} v ${tenantId === undefined ? "" : "where tenant_id = $1"}`,
      tenantId === undefined ? [] : [tenantId],
    );
    return rows.map(({ row }) => row).sort();
  }

  it.each(["writer", "auditor"] as const)("show a bound %s exactly the rows of its tenant", async (name) => {
    for (const view of await relationsOf("ledger", "v")) {
      const own = await seen(ledger.client, view, parties.own);
      if (view !== "audit") expect(own.length, `the history has rows for ${view}`).toBeGreaterThan(0);
      expect(await seen(as(name), view), view).toEqual(own);
    }
  });

  it.each(["admin", "writer of all"] as const)("show %s every row", async (name) => {
    for (const view of await relationsOf("ledger", "v")) {
      expect(await seen(as(name), view), view).toEqual(await seen(ledger.client, view));
    }
  });

  it.each(["unbound writer", "unbound auditor"] as const)("show an %s nothing", async (name) => {
    for (const view of await relationsOf("ledger", "v")) expect(await seen(as(name), view), view).toEqual([]);
  });

  it("are closed to a role that is no member", async () => {
    for (const view of await relationsOf("ledger", "v")) {
      expect(await sqlstateOf(as("stranger").query(`select from ledger.${view}`)), view).toBe(DENIED);
    }
  });

  it("show what is wrong to the tenant it is wrong for", async () => {
    const spoil = (by: number) =>
      ledger.client.query("update ledger_private.pool_heads set children = children + $1", [by]);
    await spoil(1);
    try {
      const tenants = async (name: PartyName) =>
        (await as(name).query("select distinct tenant_id from ledger.audit")).rows
          .map(({ tenant_id }) => tenant_id)
          .sort();
      expect(await tenants("auditor")).toEqual([parties.own]);
      expect(await tenants("writer of all")).toEqual([parties.own, parties.foreign].sort());
      expect(await tenants("unbound auditor")).toEqual([]);
    } finally {
      await spoil(-1);
    }
  });
});

describe("functions of schema ledger", () => {
  const calls = Object.entries(PUBLIC_CALLS).map(([name, call]) => ({ name, ...call }));
  const only = (...kinds: string[]) => calls.filter(({ kind }) => kinds.includes(kind));
  const call = (name: PartyName, text: string, tenantId: string | null) => as(name).query(text, [tenantId]);

  it("are all tried here", async () => {
    const all = await names(
      "select proname as name from pg_proc where pronamespace = 'ledger'::regnamespace order by 1",
    );
    expect(all).toEqual(Object.keys(PUBLIC_CALLS).sort());
  });

  it.each(only("write", "admin"))("$name is refused to auditors", async ({ text }) => {
    for (const name of ["auditor", "unbound auditor"] as const) {
      expect(await sqlstateOf(call(name, text, parties.own))).toBe(DENIED);
    }
  });

  it.each(only("admin"))("$name is refused to writers", async ({ text }) => {
    for (const name of ["writer", "writer of all", "unbound writer"] as const) {
      expect(await sqlstateOf(call(name, text, parties.own))).toBe(DENIED);
    }
  });

  it.each(calls)("$name is refused to a role that is no member", async ({ text }) => {
    expect(await sqlstateOf(call("stranger", text, parties.own))).toBe(DENIED);
  });

  it.each(only("write"))("$name works for the tenant it is bound to", async ({ text }) => {
    for (const name of ["writer", "writer of all", "admin"] as const) {
      expect((await call(name, text, parties.own)).rowCount).not.toBe(0);
    }
  });

  it.each(only("write"))("$name raises LG009 for a foreign tenant, known or not", async ({ text }) => {
    for (const tenantId of [parties.foreign, "nobody", "*", "", null]) {
      expect(await sqlstateOf(call("writer", text, tenantId)), `${tenantId}`).toBe("LG009");
    }
  });

  it.each(only("write"))("$name raises LG009 for a role that is not bound", async ({ text }) => {
    for (const tenantId of [parties.own, "nobody", "*", null]) {
      expect(await sqlstateOf(call("unbound writer", text, tenantId)), `${tenantId}`).toBe("LG009");
    }
  });

  it.each(only("write"))("$name raises LG012 for an unknown tenant to whoever acts for all", async ({ text }) => {
    for (const name of ["writer of all", "admin"] as const) {
      for (const tenantId of ["nobody", "*", "", null]) {
        expect(await sqlstateOf(call(name, text, tenantId)), `${tenantId}`).toBe("LG012");
      }
    }
  });

  it.each(only("read").filter(({ ofTenant }) => ofTenant))(
    "$name shows nothing of another tenant",
    async ({ text }) => {
      expect((await call("auditor", text, parties.own)).rowCount).toBeGreaterThan(0);
      for (const [name, tenantId] of [
        ["auditor", parties.foreign],
        ["unbound auditor", parties.own],
      ] as const) {
        const state = await sqlstateOf(call(name, text, tenantId));
        if (state === undefined) expect((await call(name, text, tenantId)).rows).toEqual([]);
        else expect(state).toBe("LG009");
      }
    },
  );

  it("say who a role acts for", async () => {
    const answers = await Promise.all(
      MEMBERS.map(async (name) => [name, (await as(name).query("select ledger.caller_tenant() as t")).rows[0].t]),
    );
    expect(Object.fromEntries(answers)).toEqual({
      writer: parties.own,
      auditor: parties.own,
      admin: "*",
      "writer of all": "*",
      "unbound writer": null,
      "unbound auditor": null,
    });
  });
});
