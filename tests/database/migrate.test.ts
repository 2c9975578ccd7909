import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Complaint } from "../../src/database/complaint.js";
import { connect } from "../../src/database/connect.js";
import { migrate, withMigrations } from "../../src/database/migrate.js";
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

  it("says that it waits for another migration, and goes on when that one has ended", async () => {
    const lines: string[] = [];
    let waiting: Promise<void> | undefined;
    const untilItWaits = (): Promise<void> =>
      new Promise((resolve) => {
        const log = (line: string): void => {
          lines.push(line);
          resolve();
        };
        waiting = migrate(server.url, { log });
      });
    await withMigrations(server.url, {}, untilItWaits);
    await waiting;
    expect(lines[0]).toBe("waiting for another migration of this database");
  });

  it("gives up when another migration does not end", async () => {
    await withMigrations(server.url, {}, async () => {
      await expect(migrate(server.url, { patienceMs: 100 })).rejects.toThrow(Complaint);
    });
  });

  it("leaves no connection behind", async () => {
    await migrate(server.url);
    const client = await connect(server.urlOf("postgres"));
    const { rows } = await client.query("select pid from pg_stat_activity where datname = 'agent_ledger'");
    await client.end();
    expect(rows).toEqual([]);
  });
});
