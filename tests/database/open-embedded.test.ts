import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Opened, openEmbedded } from "../../src/database/attach.js";
import { type Folder, query, temporaryFolder } from "./folder.js";

const OPEN_POOL = `call ledger.submit(p_tenant_id => $1::text, p_operations => $2::jsonb, p_atomic => false, p_results => null::jsonb)`;
const operations = JSON.stringify([
  { op: "open_pool", operation_id: "o1", pool_id: "month", channels: { tokens: { total: 1000 } } },
]);

describe("openEmbedded", () => {
  let folder: Folder;
  let opened: Opened[];
  beforeAll(async () => {
    folder = await temporaryFolder();
    // At once: migrating, and making tenants and roles, are raced for too.
    opened = await Promise.all(
      ["acme", "acme", "acme", "rival"].map((tenant) => openEmbedded(tenant, folder.directory)),
    );
  });
  afterAll(async () => {
    await Promise.all(opened.map(({ release }) => release()));
    await folder.remove();
  });

  it("answers the same login role to everybody who opens the tenant, then and later", async () => {
    const again = await openEmbedded("acme", folder.directory);
    await again.release();
    const urls = [...opened.map(({ url }) => url), again.url];
    expect(new Set(urls.filter((_, index) => index !== 3))).toEqual(new Set([again.url]));
    expect(opened[3]?.url).not.toBe(again.url);
    expect(new URL(again.url).username).toMatch(/^agent_ledger_[0-9a-f]{40}$/);
  });

  it("logs in as a writer of that tenant and no superuser", async () => {
    const text = `select ledger.caller_tenant() as tenant, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,
                         pg_has_role('ledger_writer', 'member') as writes, pg_has_role('ledger_admin', 'member') as rules
                  from pg_roles where rolname = session_user`;
    const nothing = { rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolbypassrls: false, rules: false };
    expect(await query(opened[0]?.url as string, text)).toEqual([{ tenant: "acme", writes: true, ...nothing }]);
    expect(await query(opened[3]?.url as string, text)).toEqual([{ tenant: "rival", writes: true, ...nothing }]);
  });

  it("lets another tenant's role see and do nothing there", async () => {
    const [acme, , , rival] = opened.map(({ url }) => url) as [string, string, string, string];
    const [answer] = (await query(acme, OPEN_POOL, ["acme", operations])) as { p_results: { status: string }[] }[];
    expect(answer?.p_results.map(({ status }) => status)).toEqual(["ok"]);
    expect(await query(acme, "select pool_id from ledger.pools")).toEqual([{ pool_id: "month" }]);
    expect(await query(rival, "select pool_id from ledger.pools")).toEqual([]);
    await expect(query(rival, OPEN_POOL, ["acme", operations])).rejects.toMatchObject({ code: "LG009" });
    expect(await query(opened[0]?.superuserUrl as string, "select * from ledger.audit")).toEqual([]);
  });

  it("restores a role whose password or binding somebody changed", async () => {
    const { url, superuserUrl } = opened[0] as Opened;
    const { username } = new URL(url);
    await query(superuserUrl, `alter role ${username} password 'another'`);
    await query(superuserUrl, "select ledger.bind_role($1, 'rival')", [username]);
    const again = await openEmbedded("acme", folder.directory);
    expect(again.url).toBe(url);
    expect(await query(url, "select ledger.caller_tenant() as tenant")).toEqual([{ tenant: "acme" }]);
    await again.release();
  });

  it("refuses a tenant id that is none, and leaves", async () => {
    await expect(openEmbedded("*", folder.directory)).rejects.toMatchObject({ code: "LG001" });
  });
});
