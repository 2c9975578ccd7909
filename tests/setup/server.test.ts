import { connect as connectTo } from "node:net";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { createTestDatabase, type TestDatabase } from "./database.js";
import { type ServerVersion, startServer, type TestServer } from "./server.js";

const { major } = inject("postgres");

describe("the shared server", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it("is the release that the project is named after", ({ task }) => {
    // A server given by DATABASE_URL may be any supported release.
    if (process.env.DATABASE_URL && task.file.projectName === "pg18") expect(major).toBeGreaterThanOrEqual(15);
    else expect(`pg${major}`).toBe(task.file.projectName);
  });

  it("keeps exact types and serializable sessions, and sorts by bytes", async () => {
    const { rows } = await database.pool.query(
      `select 9007199254740993::int8 as big, 0.10::numeric as dime, current_setting('transaction_isolation') as isolation,
              current_setting('fsync') as fsync, current_setting('server_encoding') as encoding, 'B' < 'a' as by_bytes`,
    );
    expect(rows).toEqual([
      {
        big: "9007199254740993",
        dime: "0.10",
        isolation: "serializable",
        fsync: "on",
        encoding: "UTF8",
        by_bytes: true,
      },
    ]);
  });

  it("gives every caller a database of its own", async () => {
    const other = await createTestDatabase();
    await database.pool.query("create table only_here (id int)");
    const { rows } = await other.pool.query("select to_regclass('only_here') as found");
    await other.drop();
    expect(rows).toEqual([{ found: null }]);
  });
});

describe("a server of a test's own", () => {
  let server: TestServer;
  beforeAll(async () => {
    const version: ServerVersion = major === 15 ? "15" : "embedded";
    server = await startServer({ version });
  });
  afterAll(() => server.stop());

  it("keeps what was committed when it is killed", async () => {
    const before = await connect(server.url);
    await before.query("create table kept as select 1 as one");
    const pid = server.pid();
    await server.kill9();
    await expect(before.query("select 1")).rejects.toThrow();
    await expect(reach(server.port)).resolves.toBe(false);
    await server.restart();
    expect(server.pid()).not.toBe(pid);
    const after = await connect(server.url);
    expect((await after.query("select one from kept")).rows).toEqual([{ one: 1 }]);
    await after.end();
  });
});

function reach(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTo(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
