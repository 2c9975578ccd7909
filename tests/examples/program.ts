/** Example programs, run as a newcomer runs them: on a ledger of their own, as a login that writes for tenant `local`. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect } from "vitest";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The ledger that a file's programs run on. */
export interface Examples {
  readonly database: TestDatabase;
  /** The lines that a program prints; it says nothing else, and the books are in order after it. */
  linesOf(program: URL, environment?: Readonly<Record<string, string>>): Promise<string[]>;
}

/** Makes a ledger before the tests of a file and drops it after them. */
export function useExamples(): Examples {
  let database: TestDatabase;
  let url: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.pool.query("select ledger.create_tenant('local')");
    url = await createLoginRole(database, { memberOf: "ledger_writer", tenantId: "local" });
  });
  afterAll(() => database?.drop());
  return {
    get database() {
      return database;
    },
    async linesOf(program, environment = {}) {
      const args = ["--import", "tsx", fileURLToPath(program)];
      const env = { ...process.env, DATABASE_URL: url, ...environment };
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
      expect(stderr).toBe("");
      expect((await database.pool.query("select * from ledger.audit")).rows).toEqual([]);
      return stdout.trimEnd().split("\n");
    },
  };
}
