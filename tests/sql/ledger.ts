/** A database for a test file, and books in it that must add up after every test. */
import type pg from "pg";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books, type Way } from "./books.js";

/** What a test file works with. */
export interface TestLedger {
  readonly database: TestDatabase;
  /** A connection of the superuser. */
  readonly client: pg.Client;
  /** The books of a fresh tenant. */
  open(way?: Way): Promise<Books>;
}

/** Call once, at the top of a test file. */
export function useLedger(): TestLedger {
  let database: TestDatabase | undefined;
  let client: pg.Client | undefined;
  const opened: Books[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    client = await database.connect();
  });
  afterEach(async () => {
    for (const books of opened.splice(0)) expect(await books.audit(), "ledger.audit").toEqual([]);
  });
  afterAll(async () => {
    await database?.drop();
  });
  const made = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error("the database is made before the first test, not before that");
    return value;
  };
  return {
    get database() {
      return made(database);
    },
    get client() {
      return made(client);
    },
    async open(way) {
      const books = await Books.open(made(client), way);
      opened.push(books);
      return books;
    },
  };
}
