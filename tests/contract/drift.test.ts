/** A migrated database is that database with all of `sql/` applied again: nobody forgot a migration. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { schemaSnapshot } from "../../src/database/snapshot.js";
import { viewTypes } from "../../src/database/view-types.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { read } from "./sources.js";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
});

afterAll(async () => {
  await database?.drop();
});

/** A file of `sql/` with what it includes, as the migrations include it. */
function expanded(name: string): string {
  return read(`sql/${name}`).replaceAll(/^--!include (.*)$/gm, (_line, included: string) => expanded(included.trim()));
}

/** The schema, and what the views promise about each column. */
async function snapshot(): Promise<string> {
  return (await schemaSnapshot(client)) + (await viewTypes(client));
}

/** The schema after some SQL was applied to the migrated one, as its owner; undone afterwards. */
async function snapshotAfter(...sql: string[]): Promise<string> {
  await client.query("begin");
  try {
    for (const text of sql) await client.query(text);
    return await snapshot();
  } finally {
    await client.query("rollback");
  }
}

const AS_OWNER = "set local role ledger_owner";

describe("a migrated database", () => {
  it("is what sql/ says", async () => {
    const migrated = await snapshot();
    expect(await snapshotAfter(expanded("roles.sql"), AS_OWNER, expanded("all.sql"))).toBe(migrated);
  });

  it("takes all of sql/ twice", async () => {
    const all = expanded("all.sql");
    expect(await snapshotAfter(AS_OWNER, all, all)).toBe(await snapshot());
  });

  it.each([
    ["a changed body", "functions/caller_tenant.sql", "'*'", "'all'"],
    ["a changed comment", "functions/put_blob.sql", "by content", "by name"],
    ["a changed promise about a column", "views/channels.sql", "null: uncapped", "uncapped"],
    ["a grant withheld", "views/refusals.sql", ", ledger_auditor", ""],
    ["a changed column", "views/pools.sql", "p.depth_left,", "p.depth_left + 0 as depth_left,"],
    ["a function that runs as its caller", "functions/put_blob.sql", "security definer", "security invoker"],
  ])("would show %s", async (_what, name, from, to) => {
    const changed = expanded(name).replaceAll(from, to);
    expect(changed).not.toBe(expanded(name));
    // Taken away first where the change is something that `create or replace` leaves in place.
    const undone = name.startsWith("views/refusals") ? "revoke all on ledger.refusals from ledger_auditor" : "select";
    expect(await snapshotAfter(AS_OWNER, undone, changed)).not.toBe(await snapshot());
  });
});
