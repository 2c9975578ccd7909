/** Tenants of a test file and ledgers over them, as a program has them: by a login role that is bound to its tenant. */
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { createLedger, type Ledger, type LedgerOptions } from "../../src/ledger/ledger.js";
import { audit } from "../concurrency/sessions.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";

/** A tenant, and how its programs reach the ledger. */
export interface Tenant {
  readonly id: string;
  /** Connects a writer of this tenant. */
  readonly url: string;
  /** One more ledger; closed after the test. */
  ledger(options?: Partial<LedgerOptions>): Ledger;
}

/** What a test file works with. */
export interface Tenants {
  readonly database: TestDatabase;
  /** A connection of the superuser. */
  readonly observer: pg.Client;
  /** Makes a tenant, whose books must add up after the test. */
  tenant(): Promise<Tenant>;
}

/** Call once, at the top of a test file. */
export function useTenants(): Tenants {
  let database: TestDatabase;
  let observer: pg.Client;
  const ledgers: Ledger[] = [];
  const tenants: string[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    observer = await database.connect();
    // Where it looks on while others write, a serializable reader would be one more that they could lose to.
    await observer.query("set default_transaction_isolation = 'read committed'");
  });
  afterEach(async () => {
    await Promise.all(ledgers.splice(0).map((ledger) => ledger.close()));
    // What the server would do by itself after a minute: audits are planned by what is known of the tables.
    if (tenants.length > 0) await observer.query("analyze");
    for (const id of tenants.splice(0)) expect(await audit(observer, id), "ledger.audit").toEqual([]);
  });
  afterAll(() => database?.drop());
  return {
    get database() {
      return database;
    },
    get observer() {
      return observer;
    },
    async tenant() {
      const id = `tenant-${randomUUID()}`;
      await observer.query("select ledger.create_tenant($1)", [id]);
      tenants.push(id);
      const url = await createLoginRole(database, { memberOf: "ledger_writer", tenantId: id });
      return {
        id,
        url,
        ledger(options) {
          const ledger = createLedger({ tenantId: id, ...(!options?.pool && { connectionString: url }), ...options });
          ledgers.push(ledger);
          return ledger;
        },
      };
    },
  };
}

/** The same address by way of another port or application name. */
export function via(url: string, way: { port?: number; applicationName?: string }): string {
  const other = new URL(url);
  if (way.port !== undefined) other.port = String(way.port);
  if (way.applicationName !== undefined) other.searchParams.set("application_name", way.applicationName);
  return other.href;
}
