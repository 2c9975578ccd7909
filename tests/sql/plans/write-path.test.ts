/** No write reads a table from end to end, however small it is: a sequential scan makes strangers conflict, and grows with the journal. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../setup/database.js";
import { sequentialScans, writeEveryKind } from "./scans.js";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
  await client.query("select ledger.create_tenant('t')");
});
afterAll(() => database.drop());

describe("plans of the write path", () => {
  it("scan no table of a database that was never analysed", async () => {
    expect(await sequentialScans(client, () => writeEveryKind(client, "t", "first"))).toEqual([]);
  });

  it("scan no table of one that was", async () => {
    await client.query("analyze");
    expect(await sequentialScans(client, () => writeEveryKind(client, "t", "second"))).toEqual([]);
    expect((await client.query("select * from ledger.audit")).rows).toEqual([]);
  });

  it("would be caught scanning one", async () => {
    const scans = await sequentialScans(client, async () => {
      await client.query("select sum(seq) from ledger_private.journal");
    });
    expect(scans[0]).toBe("journal: 1");
  });
});
