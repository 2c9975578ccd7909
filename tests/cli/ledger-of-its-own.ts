/** A test database with a tenant, and the command line working in it as that tenant's login role. */
import { expect } from "vitest";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Environment, type Outcome, run } from "./command-line.js";

/** The tenant of these tests. */
export const TENANT = "acme";

/** A tenant's ledger, and the command line on it. */
export interface TestLedger {
  readonly database: TestDatabase;
  /** DATABASE_URL of a writer bound to the tenant. */
  readonly environment: Environment;
  /** Runs a verb as the writer. */
  run(...args: string[]): Promise<Outcome>;
  /** Runs a verb that must succeed and answers its JSON document. */
  json<T>(...args: string[]): Promise<T>;
  /** Runs a verb that must fail and answers what it printed as JSON on standard error. */
  failure(
    ...args: string[]
  ): Promise<{ code: string | null; message: string; hint: string | null; exit: number | null }>;
  /** Writes as the superuser. */
  apply(
    operations: readonly object[],
  ): Promise<{ status: string; code: string | null; result: Record<string, unknown> }[]>;
  /** Proves the books and drops the database. */
  close(): Promise<void>;
}

/** Makes one. */
export async function createTestLedger(): Promise<TestLedger> {
  const database = await createTestDatabase();
  await database.pool.query("select ledger.create_tenant($1)", [TENANT]);
  const environment = {
    DATABASE_URL: await createLoginRole(database, { memberOf: "ledger_writer", tenantId: TENANT }),
  };
  return {
    database,
    environment,
    run: (...args) => run(args, environment),
    async json<T>(...args: string[]): Promise<T> {
      const { code, stdout, stderr } = await run([...args, "--json"], environment);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.parse(stdout) as T;
    },
    async failure(...args) {
      const { code, stdout, stderr } = await run([...args, "--json"], environment);
      expect(stdout).toBe("");
      return { ...JSON.parse(stderr).error, exit: code };
    },
    async apply(operations) {
      const text = "call ledger.submit($1, $2, false, null)";
      const { rows } = await database.pool.query(text, [TENANT, JSON.stringify(operations)]);
      return rows[0].p_results;
    },
    async close() {
      const { rows } = await database.pool.query("select * from ledger.audit");
      await database.drop();
      expect(rows).toEqual([]);
    },
  };
}
