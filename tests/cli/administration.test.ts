/** The verbs of administrators, and whose tenant a verb acts for. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";
import { urlOf } from "../setup/template.js";
import { run } from "./command-line.js";

let database: TestDatabase;
let unbound: string;
beforeAll(async () => {
  database = await createTestDatabase();
  unbound = await createLoginRole(database, { memberOf: "ledger_writer" });
});
afterAll(() => database.drop());

describe("tenant create and role bind", () => {
  it("make a login role work", async () => {
    const superuser = { DATABASE_URL: database.url };
    expect(await run(["pool", "open", "p"], { DATABASE_URL: unbound })).toMatchObject({ code: 2 });
    const created = await run(["tenant", "create", "acme"], superuser);
    expect(created).toMatchObject({
      code: 0,
      stdout: "Tenant acme is there. Next: agent-ledger role bind <role> acme\n",
    });
    expect(await run(["tenant", "create", "acme", "--json"], superuser)).toMatchObject({ code: 0 });

    const role = new URL(unbound).username;
    const bound = await run(["role", "bind", role, "acme"], superuser);
    expect(bound).toEqual({ code: 0, stdout: `${role} acts for tenant acme\n`, stderr: "" });
    expect(await run(["pool", "open", "p"], { DATABASE_URL: unbound })).toMatchObject({ code: 0, stderr: "" });
    const shown = await run(["pool", "show", "p", "--json"], { DATABASE_URL: unbound });
    expect(JSON.parse(shown.stdout).pool).toMatchObject({ tenant_id: "acme" });
  });

  it("say who may do that, and what is missing", async () => {
    const forbidden = await run(["tenant", "create", "other"], { DATABASE_URL: unbound });
    expect(forbidden.code).toBe(1);
    expect(forbidden.stderr).toMatch(/\(42501\)\n {2}the login role may not do that: .*ledger_admin/);
    const unknown = await run(["role", "bind", "nobody_at_all", "acme"], { DATABASE_URL: database.url });
    expect(unknown.stderr).toMatch(/there is no role nobody_at_all.*\(LG001\)/s);
    const nowhere = await run(["role", "bind", new URL(unbound).username, "nowhere"], { DATABASE_URL: database.url });
    expect(nowhere.stderr).toMatch(/\(LG012\)\n {2}agent-ledger tenant create <id> makes a tenant/);
  });
});

describe("the tenant", () => {
  it("must be named by who acts for all of them", async () => {
    const { code, stderr } = await run(["runs"], { DATABASE_URL: database.url });
    expect(code).toBe(2);
    expect(stderr).toBe("agent-ledger: The login role acts for all tenants: say which with --tenant\n");
    const asJson = await run(["runs", "--json"], { DATABASE_URL: database.url });
    expect(asJson.code).toBe(2);
    expect(JSON.parse(asJson.stderr).error).toMatchObject({ code: "usage", hint: null });
    expect(await run(["runs", "--tenant", "acme"], { DATABASE_URL: database.url })).toMatchObject({ code: 0 });
    const named = { DATABASE_URL: database.url, AGENT_LEDGER_TENANT: "acme" };
    expect(await run(["runs", "--json"], named)).toEqual({ code: 0, stdout: "[]\n", stderr: "" });
  });

  it.each([[["pool", "open", "p"]], [["runs"]], [["audit"]]])("of somebody else is refused: %j", async (args) => {
    await run(["tenant", "create", "other"], { DATABASE_URL: database.url });
    const { code, stdout, stderr } = await run([...args, "--tenant", "other"], { DATABASE_URL: unbound });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/\(LG009\)\n {2}an administrator binds the login role: agent-ledger role bind/);
  });

  it("that nobody made is not one that spent nothing", async () => {
    const { code, stdout, stderr } = await run(["runs", "--tenant", "acmee"], { DATABASE_URL: database.url });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/\(LG012\)\n {2}agent-ledger tenant create <id> makes a tenant\n$/);
  });
});

describe("the database", () => {
  it.each([
    ["options=-c%20default_transaction_read_only%3Don", /\(25006\)\n {2}the server takes no writes .*primary/],
    ["options=-c%20no_such_setting%3D1", /\(42704\)\n {2}the server does not know .*options in the URL/],
    ["sslmode=no-verify", /^agent-ledger: --database-url: the server does not encrypt: say sslmode=disable in the URL/],
    [
      "sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
      /--database-url: there is no file \/nowhere\/ca\.pem: correct sslrootcert \(ENOENT\)/,
    ],
  ])("with ?%s in its URL is no surprise: what to do is said", async (settings, said) => {
    const url = new URL(database.url);
    url.search = settings;
    const verb = ["pool", "open", "q", "--tenant", "acme", "--database-url", url.href];
    const { code, stdout, stderr } = await run(verb);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(said);
    expect(stderr).not.toContain("surprise");
  });

  it("is migrated once, and nothing is left to do after that", async () => {
    const server = inject("postgres");
    const name = `${server.template}_cli_migrate`;
    const client = await connect(server.url);
    await client.query(`create database ${name}`);
    const url = urlOf(server.url, name);
    try {
      const before = await run(["runs", "--tenant", "x", "--database-url", url]);
      expect(before.code).toBe(1);
      expect(before.stderr).toContain(
        "the database has no ledger, or an older one: agent-ledger migrate, as a superuser",
      );
      const first = await run(["migrate", "--database-url", url]);
      expect(first).toMatchObject({ code: 0, stderr: "" });
      expect(first.stdout).toMatch(/000001-the-conserved-core.*The database is up to date\n$/s);
      const again = await run(["migrate", "--json", "--database-url", url]);
      expect(JSON.parse(again.stdout)).toMatchObject({ migrated: true });
      const writer = new URL(unbound);
      writer.pathname = `/${name}`;
      const refused = await run(["migrate", "--database-url", writer.href]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/^agent-ledger: --database-url: .*needs a superuser/);
    } finally {
      await client.query(`drop database ${name} with (force)`);
      await client.end();
    }
  });

  it.each([
    ["postgres://somebody@127.0.0.1:1/ledger", "nothing listens on 127.0.0.1:1"],
    ["postgres://somebody@no-such-host.invalid/ledger", "host no-such-host.invalid is not known"],
    ["ledger", "not of the form postgres://user:password@host:5432/database"],
  ])("%s is not one, and the error says so", async (url, message) => {
    const given = await run(["runs", "--database-url", url]);
    expect(given.code).toBe(1);
    expect(given.stderr).toContain(`agent-ledger: --database-url: ${message}`);
    const fromEnvironment = await run(["audit", "--tenant", "acme", "--json"], { DATABASE_URL: url });
    expect(fromEnvironment.code).toBe(1);
    expect(JSON.parse(fromEnvironment.stderr).error.message).toContain(`DATABASE_URL: ${message}`);
  });
});
