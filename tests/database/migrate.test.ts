import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { migrate } from "../../src/database/migrate.js";
import { schemaSnapshot } from "../../src/database/snapshot.js";
import { startServer, type TestServer } from "../setup/server.js";

describe("migrate", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ version: "embedded" });
  });
  afterAll(() => server.stop());

  it("may be called by several processes at once, and again", async () => {
    await Promise.all([migrate(server.url), migrate(server.url), migrate(server.url)]);
    const client = await connect(server.url);
    const before = await schemaSnapshot(client);
    await migrate(server.url);
    expect(await schemaSnapshot(client)).toBe(before);
    await client.end();
  });

  it("leaves no connection behind", async () => {
    await migrate(server.url);
    const client = await connect(server.urlOf("postgres"));
    const { rows } = await client.query("select pid from pg_stat_activity where datname = 'agent_ledger'");
    await client.end();
    expect(rows).toEqual([]);
  });
});
