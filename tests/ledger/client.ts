/** Clients of fresh tenants on a database of the test file's own; the books must add up after every test. */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";

/** What a test file works with. */
export interface TestClients {
  readonly database: TestDatabase;
  /** A client, as a writer bound to a fresh tenant. */
  open(options?: { coalesce?: boolean }): Promise<Ledger>;
  /** Another client of the same tenant, with connections of its own, and the URL it uses. */
  again(ledger: Ledger): Ledger;
  urlOf(ledger: Ledger): string;
}

/** Call once, at the top of a test file. */
export function useClients(): TestClients {
  let database: TestDatabase | undefined;
  const urls = new Map<string, string>();
  const opened: Ledger[] = [];
  const made = (): TestDatabase => {
    if (!database) throw new Error("the database is made before the first test, not before that");
    return database;
  };
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    for (const ledger of opened.splice(0)) {
      await ledger.close();
      const { rows } = await made().pool.query("select * from ledger.audit where tenant_id = $1", [ledger.tenantId]);
      expect(rows, "ledger.audit").toEqual([]);
    }
  });
  afterAll(async () => {
    await database?.drop();
  });
  const urlOf = (ledger: Ledger): string => urls.get(ledger.tenantId) ?? "";
  const client = (tenantId: string, coalesce = true): Ledger => {
    const ledger = createLedger({ connectionString: urls.get(tenantId) ?? "", tenantId, coalesce });
    opened.push(ledger);
    return ledger;
  };
  return {
    get database() {
      return made();
    },
    async open({ coalesce = true } = {}) {
      const tenantId = `tenant-${randomUUID()}`;
      await made().pool.query("select ledger.create_tenant($1)", [tenantId]);
      urls.set(tenantId, await createLoginRole(made(), { memberOf: "ledger_writer", tenantId }));
      return client(tenantId, coalesce);
    },
    again: (ledger) => client(ledger.tenantId),
    urlOf,
  };
}
