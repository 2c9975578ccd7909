/** What the catalog says about who owns, executes and sees the ledger's objects. */
import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const OURS = "('ledger'::regnamespace, 'ledger_private'::regnamespace)";

async function rows(text: string): Promise<unknown[]> {
  return (await ledger.client.query(text)).rows;
}

describe("the catalog", () => {
  it("has something to say", async () => {
    expect(await rows(`select count(*) > 100 as many from pg_proc where pronamespace in ${OURS}`)).toEqual([
      { many: true },
    ]);
    expect(await rows(`select count(*) > 20 as many from pg_class where relnamespace in ${OURS}`)).toEqual([
      { many: true },
    ]);
  });

  it("gives PUBLIC no function", async () => {
    const found = await rows(`
      select p.oid::regprocedure::text from pg_proc p
      cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where p.pronamespace in ${OURS} and a.grantee = 0`);
    expect(found).toEqual([]);
  });

  it("gives PUBLIC no table, view or schema", async () => {
    const found = await rows(`
      select r.oid::regclass::text from pg_class r
      cross join lateral aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) a
      where r.relnamespace in ${OURS} and r.relkind in ('r', 'v', 'm', 'p') and a.grantee = 0
      union all
      select n.nspname from pg_namespace n
      cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
      where n.oid in ${OURS} and a.grantee = 0`);
    expect(found).toEqual([]);
  });

  it("gives schema ledger_private to its owner alone", async () => {
    const found = await rows(`
      select a.grantee::regrole::text from pg_namespace n
      cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
      where n.nspname = 'ledger_private' and a.grantee <> n.nspowner`);
    expect(found).toEqual([]);
  });

  it("gives readers SELECT on tables and views and nothing else, and nobody the bindings", async () => {
    const found = await rows(`
      select r.oid::regclass::text, a.grantee::regrole::text, a.privilege_type from pg_class r
      cross join lateral aclexplode(r.relacl) a
      where r.relnamespace in ${OURS} and r.relkind in ('r', 'v') and a.grantee <> r.relowner
        and (a.privilege_type <> 'SELECT' or r.relname = 'role_bindings' or a.is_grantable
          or a.grantee::regrole::text not in ('ledger_admin', 'ledger_writer', 'ledger_auditor'))`);
    expect(found).toEqual([]);
  });

  it("has no object of another owner", async () => {
    const found = await rows(`
      select r.oid::regclass::text as name from pg_class r where r.relnamespace in ${OURS} and r.relowner <> 'ledger_owner'::regrole
      union all
      select p.oid::regprocedure::text from pg_proc p where p.pronamespace in ${OURS} and p.proowner <> 'ledger_owner'::regrole
      union all
      select t.oid::regtype::text from pg_type t where t.typnamespace in ${OURS} and t.typowner <> 'ledger_owner'::regrole
      union all
      select n.nspname from pg_namespace n where n.oid in ${OURS} and n.nspowner <> 'ledger_owner'::regrole`);
    expect(found).toEqual([]);
  });

  it("forces row level security on every table", async () => {
    const found = await rows(`
      select oid::regclass::text from pg_class
      where relnamespace in ${OURS} and relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)`);
    expect(found).toEqual([]);
  });

  it("has the same policies on every table, and only the owner's on the bindings", async () => {
    const found = await rows(`
      select tablename, array_agg(policyname || ' ' || cmd order by policyname) as policies
      from pg_policies where schemaname = 'ledger_private' group by tablename order by tablename`);
    const readable = ["owner_all ALL", "reader_all SELECT", "reader_one SELECT"];
    const expected = (await rows(
      "select relname as tablename from pg_class where relnamespace = 'ledger_private'::regnamespace and relkind = 'r' order by 1",
    )) as { tablename: string }[];
    expect(found).toEqual(
      expected.map(({ tablename }) => ({
        tablename,
        policies: tablename === "role_bindings" ? ["owner_all ALL"] : readable,
      })),
    );
  });

  it("has no view that reads as its owner", async () => {
    const found = await rows(`
      select oid::regclass::text from pg_class
      where relnamespace in ${OURS} and relkind = 'v' and not coalesce(reloptions @> '{security_invoker=true}', false)`);
    expect(found).toEqual([]);
  });

  it("has no SECURITY DEFINER function that looks names up where its caller says", async () => {
    const found = await rows(`
      select oid::regprocedure::text from pg_proc
      where pronamespace in ${OURS} and prosecdef and not coalesce(proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)`);
    expect(found).toEqual([]);
  });

  it("has no role of ours that logs in, or that walks past row level security", async () => {
    const found = await rows(`
      select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb from pg_roles
      where rolname in ('ledger_owner', 'ledger_admin', 'ledger_writer', 'ledger_auditor', 'ledger_all_tenants') order by rolname`);
    const none = { rolsuper: false, rolbypassrls: false, rolcanlogin: false, rolcreaterole: false, rolcreatedb: false };
    expect(found).toEqual(
      ["ledger_admin", "ledger_all_tenants", "ledger_auditor", "ledger_owner", "ledger_writer"].map((rolname) => ({
        rolname,
        ...none,
      })),
    );
  });
});
