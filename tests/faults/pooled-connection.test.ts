/**
 * A pooler in transaction mode hands a server connection to another client after every transaction, and may reset it
 * in between: a call may rely on nothing that an earlier one left in the session.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apply, type Operation, spendOf, submit, withId } from "../concurrency/operations.js";
import { advisoryLocks, audit } from "../concurrency/sessions.js";
import { balance, openRoot, plant } from "../concurrency/trees.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";

const ROUNDS = 10;
const TENANTS = ["one", "other"];

let database: TestDatabase;
/** As a pooler opens it: without the settings our clients ask for. */
let server: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  for (const tenantId of TENANTS) await plant(await database.connect(), tenantId, [openRoot()]);
  server = new pg.Client(database.url);
  await server.connect();
});
afterAll(async () => {
  await server?.end();
  await database?.drop();
});

const meter = (): Operation => withId({ op: "meter", pool_id: "root", spend: spendOf(1) });

it("submits of two clients take turns on one connection that is reset between them", async () => {
  const isolation = await server.query("show default_transaction_isolation");
  expect(isolation.rows).toEqual([{ default_transaction_isolation: "read committed" }]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const tenantId of TENANTS) {
      expect(await submit(server, tenantId, [meter()])).toMatchObject([{ status: "ok" }]);
      expect(await advisoryLocks(server)).toEqual([]);
      await server.query("discard all");
    }
  }
  for (const tenantId of TENANTS) {
    expect(await balance(server, tenantId, "root", "tokens")).toEqual(["1000", "990", "0", "10"]);
    expect(await audit(server, tenantId)).toEqual([]);
  }
});

it("apply has the isolation it needs from its transaction, and is refused without", async () => {
  await server.query("discard all");
  await expect(apply(server, "one", [meter()])).rejects.toMatchObject({ code: "LG006" });
  await server.query("begin isolation level serializable");
  expect(await apply(server, "one", [meter()])).toMatchObject([{ status: "ok" }]);
  await server.query("commit");
  await server.query("discard all");
  expect(await submit(server, "one", [meter()])).toMatchObject([{ status: "ok" }]);
  expect(await balance(server, "one", "root", "tokens")).toEqual(["1000", "988", "0", "12"]);
  expect(await audit(server, "one")).toEqual([]);
});

it("submit leaves the session as it found it", async () => {
  const settings =
    "select name, setting from pg_settings where name ~ 'isolation|timeout|search_path|enable_|plan_cache'";
  const before = (await server.query(settings)).rows;
  await submit(server, "one", [meter()]);
  expect((await server.query(settings)).rows).toEqual(before);
  await expect(server.query("begin; call ledger.submit('one', '[]', false, null)")).rejects.toMatchObject({
    code: "2D000",
  });
  await server.query("rollback");
  expect(await advisoryLocks(server)).toEqual([]);
});
