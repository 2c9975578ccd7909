/** Settings and objects of a session do not widen what it may see or do. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { useLedger } from "../ledger.js";
import { makeParties, type Parties, sqlstateOf } from "./parties.js";

const DENIED = "42501";

const ledger = useLedger();
let parties: Parties;
let writer: pg.Client;

beforeAll(async () => {
  parties = await makeParties(ledger.database);
  writer = parties.connections.writer;
});

afterAll(async () => {
  await parties?.leave();
});

/** The tenants whose journal a connection can read. */
async function tenantsSeen(client: pg.Client): Promise<unknown[]> {
  const { rows } = await client.query("select distinct tenant_id from ledger.journal order by 1");
  return rows.map(({ tenant_id }) => tenant_id);
}

const meterOf = (tenantId: string): [string, unknown[]] => [
  `call ledger.submit($1, jsonb_build_array(jsonb_build_object('operation_id', gen_random_uuid(), 'op', 'meter',
    'pool_id', 'tenant', 'spend', '{"iterations": 0, "input_tokens": 1, "output_tokens": 0, "usd": 0}'::jsonb)), false, null)`,
  [tenantId],
];

describe("a writer bound to one tenant", () => {
  it.each(["ledger_owner", "ledger_admin", "ledger_auditor", "postgres"])("cannot become %s", async (role) => {
    expect(await sqlstateOf(writer.query(`set role ${role}`))).toBe(DENIED);
    expect(await sqlstateOf(writer.query(`set session authorization ${role}`))).toBe(DENIED);
    expect(await sqlstateOf(writer.query(`grant ${role} to current_user`))).toBe(DENIED);
  });

  it("cannot become a role bound to another tenant", async () => {
    const other = new URL(parties.urls["writer of all"]).username;
    expect(await sqlstateOf(writer.query(`set role ${other}`))).toBe(DENIED);
    expect(await sqlstateOf(writer.query(`set session authorization ${other}`))).toBe(DENIED);
  });

  it("gains nothing by the group role that it may become", async () => {
    await writer.query("set role ledger_writer");
    expect(await tenantsSeen(writer)).toEqual([parties.own]);
    expect(await sqlstateOf(writer.query(...meterOf(parties.foreign)))).toBe("LG009");
    expect(await sqlstateOf(writer.query("select from ledger_private.journal"))).toBe(DENIED);
    await writer.query("reset role");
  });

  it.each(["app.tenant", "app.tenant_id", "ledger.tenant", "ledger.tenant_id", "agent_ledger.tenant"])(
    "gains nothing by set %s",
    async (setting) => {
      await writer.query("select set_config($1, $2, false)", [setting, parties.foreign]);
      expect(await tenantsSeen(writer)).toEqual([parties.own]);
      expect(await sqlstateOf(writer.query(...meterOf(parties.foreign)))).toBe("LG009");
    },
  );

  it("cannot put triggers to sleep", async () => {
    expect(await sqlstateOf(writer.query("set session_replication_role = replica"))).toBe(DENIED);
  });

  it("gets an error, not rows, with row security off", async () => {
    await writer.query("set row_security = off");
    const { rows } = await ledger.client.query(
      "select relname from pg_class where relnamespace = 'ledger'::regnamespace and relkind = 'v'",
    );
    for (const { relname } of rows) {
      expect(await sqlstateOf(writer.query(`select * from ledger.${relname}`)), relname).toBe(DENIED);
    }
    expect(
      await sqlstateOf(writer.query("select * from ledger.balance_at($1, 'tenant', now())", [parties.foreign])),
    ).toBe(DENIED);
    await writer.query("reset row_security");
    expect(await tenantsSeen(writer)).toEqual([parties.own]);
  });

  it("cannot read another tenant's rows through a function of its own in a filter", async () => {
    await writer.query(`create function pg_temp.spy(p_text text) returns boolean language plpgsql cost 0.0000001 as $$
      begin raise notice 'saw %', p_text; return true; end $$`);
    const seen: string[] = [];
    const listen = (notice: { message?: string | undefined }) => seen.push(notice.message ?? "");
    writer.on("notice", listen);
    await writer.query("select tenant_id from ledger.journal where pg_temp.spy(tenant_id)");
    writer.off("notice", listen);
    expect([...new Set(seen)]).toEqual([`saw ${parties.own}`]);
  });
});

describe("objects named like the ledger's", () => {
  let shadowed: pg.Client;

  beforeAll(async () => {
    // What anybody could make where the owner of the database allows it.
    await ledger.client.query("grant create on schema public to public");
    shadowed = await connect(parties.urls.writer);
    const { rows } = await ledger.client.query(`
      select distinct relname as name from pg_class
      where relnamespace in ('ledger'::regnamespace, 'ledger_private'::regnamespace) and relkind in ('r', 'v')`);
    for (const { name } of rows) {
      await shadowed.query(`create temp table "${name}" (tenant_id text)`);
      await shadowed.query(`create table public."${name}" (tenant_id text)`);
    }
    for (const name of [
      "caller_tenant",
      "assert_tenant",
      "jsonb_agg",
      "pg_advisory_lock",
      "clock_timestamp",
      "coalesce",
    ]) {
      await shadowed.query(`create function public."${name}"() returns text language sql as $$ select '*' $$`);
    }
    await shadowed.query(
      `create function public.to_jsonb(anyelement) returns jsonb language sql as $$ select '{}'::jsonb $$`,
    );
    await shadowed.query(`create function public.sha256(bytea) returns bytea language sql as $$ select ''::bytea $$`);
    await shadowed.query(
      `create function public.trim_scale(numeric) returns numeric language sql as $$ select 42.0 $$`,
    );
    await shadowed.query("set search_path = pg_temp, public, pg_catalog");
  });

  afterAll(async () => {
    await shadowed?.end();
  });

  it("are not read in place of them", async () => {
    expect(await tenantsSeen(shadowed)).toEqual([parties.own]);
    expect((await shadowed.query("select ledger.caller_tenant() as t")).rows).toEqual([{ t: parties.own }]);
  });

  it("are not written in place of them", async () => {
    const text = "select seq::int from ledger.pool_heads where tenant_id = $1 and pool_id = 'tenant'";
    const before = (await ledger.client.query(text, [parties.own])).rows[0].seq;
    const { rows } = await shadowed.query(...meterOf(parties.own));
    expect(rows[0].p_results).toEqual([
      { position: 0, status: "ok", code: null, result: { pool_id: "tenant", seq: before + 1 } },
    ]);
    expect((await ledger.client.query(text, [parties.own])).rows[0].seq).toBe(before + 1);
    expect((await shadowed.query("select ledger.put_blob($1, 'x') as id", [parties.own])).rows[0].id).toMatch(
      /^sha256:[0-9a-f]{64}$/,
    );
  });

  it("do not open another tenant", async () => {
    expect(await sqlstateOf(shadowed.query(...meterOf(parties.foreign)))).toBe("LG009");
    const balance = shadowed.query("select * from ledger.balance_at($1, 'tenant', now())", [parties.foreign]);
    expect(await sqlstateOf(balance)).toBe("LG009");
  });

  it("do not change what a read function answers", async () => {
    const read = (client: pg.Client) =>
      client.query("select channel, total, free from ledger.balance_at($1, 'tenant', now()) order by 1", [parties.own]);
    expect((await read(shadowed)).rows).toEqual((await read(ledger.client)).rows);
  });
});

describe("an auditor with psql", () => {
  /** Runs one statement as people do at a terminal. */
  async function psql(sql: string): Promise<{ stdout: string; stderr: string; failed: boolean }> {
    const args = ["-X", "-At", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-c", sql, parties.urls.auditor];
    try {
      return { ...(await promisify(execFile)("psql", args)), failed: false };
    } catch (error) {
      const { code, stdout = "", stderr = "" } = error as { code?: unknown; stdout?: string; stderr?: string };
      if (code === "ENOENT") throw new Error("psql is not in PATH: install the Postgres client to run this test");
      return { stdout, stderr, failed: true };
    }
  }

  it("reads every view of its tenant", async () => {
    const { rows } = await ledger.client.query(
      "select relname from pg_class where relnamespace = 'ledger'::regnamespace and relkind = 'v' and relname <> 'audit'",
    );
    for (const { relname } of rows) {
      const { stdout, stderr } = await psql(`select distinct tenant_id from ledger.${relname}`);
      expect({ relname, stdout, stderr }).toEqual({ relname, stdout: `${parties.own}\n`, stderr: "" });
    }
    expect(await psql("table ledger.audit")).toEqual({ stdout: "", stderr: "", failed: false });
  });

  it.each([
    "call ledger.submit('x', '[]', false, null)",
    "begin isolation level serializable; select ledger.apply('x', '[]')",
    "select ledger.put_blob('x', 'y')",
    "select ledger.create_tenant('x')",
    "select ledger.bind_role('x', 'y')",
    "delete from ledger_private.journal",
    "update ledger_private.channels set free = 0",
    "insert into ledger_private.role_bindings values ('*', current_user)",
    "truncate ledger_private.journal",
  ])("is refused %s", async (sql) => {
    const { failed, stderr } = await psql(sql);
    expect(failed).toBe(true);
    expect(stderr).toContain(`ERROR:  ${DENIED}:`);
  });
});
