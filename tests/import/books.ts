/** A ledger for a test file of the importer, and the figures that two ways of importing must agree on. */
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";

/** The sessions that ship with the project. */
export const SAMPLE = fileURLToPath(new URL("../../src/sample/claude-code", import.meta.url));

/** A row of a view. */
export type Row = Record<string, unknown>;

/** The books of one fresh tenant. */
export interface Books {
  /** Writes as a login role that is bound to the tenant. */
  readonly ledger: Ledger;
  readonly tenantId: string;
  /** Connects that role. */
  readonly url: string;
  /** Rows, read as superuser, of a query whose first parameter is the tenant. */
  rows(text: string, ...parameters: unknown[]): Promise<Row[]>;
  /** How many rows the journal has. */
  journal(): Promise<number>;
}

/** Call once, at the top of a test file; after each test the books it opened add up. */
export function useBooks(): { open(): Promise<Books> } {
  let database: TestDatabase | undefined;
  const opened: Books[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    for (const books of opened.splice(0)) {
      await books.ledger.close();
      expect(await books.rows("select * from ledger.audit where tenant_id = $1"), "ledger.audit").toEqual([]);
    }
  });
  afterAll(async () => {
    await database?.drop();
  });
  return {
    async open() {
      if (!database) throw new Error("the database is made before the first test, not before that");
      const books = await openBooks(database);
      opened.push(books);
      return books;
    },
  };
}

async function openBooks(database: TestDatabase): Promise<Books> {
  const tenantId = `tenant-${randomUUID()}`;
  await database.pool.query("select ledger.create_tenant($1)", [tenantId]);
  const url = await createLoginRole(database, { memberOf: "ledger_writer", tenantId });
  const rows = async (text: string, ...parameters: unknown[]): Promise<Row[]> =>
    (await database.pool.query<Row>(text, [tenantId, ...parameters])).rows;
  return {
    ledger: createLedger({ connectionString: url, tenantId }),
    tenantId,
    url,
    rows,
    async journal() {
      return Number((await rows("select count(*) from ledger.journal where tenant_id = $1"))[0]?.count);
    },
  };
}

/** Everything an import answers for: two imports of the same files must agree on it, however they went. */
export async function figures(books: Books): Promise<Record<string, Row[]>> {
  const sums =
    "sum(iterations)::text as iterations, sum(input_tokens)::text as input, sum(output_tokens)::text as output";
  const cache = "sum(cache_read_tokens)::text as read, sum(cache_write_tokens)::text as write";
  return {
    breakdown: await books.rows(
      `select run_id, source, iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, charged_tokens,
         usd, usd_known, tokens_known
       from ledger.spent_breakdown where tenant_id = $1 order by run_id, source`,
    ),
    models: await books.rows(
      `select run_id, provider, model, purpose, ${sums}, ${cache} from ledger.usage_lines where tenant_id = $1
       group by run_id, provider, model, purpose having sum(input_tokens) <> 0 or sum(iterations) <> 0
       order by run_id, provider, model, purpose`,
    ),
    tools: await books.rows(
      `select run_id, name, count(*)::int as calls from ledger.journal cross join jsonb_array_elements_text(tool_calls) name where tenant_id = $1
       group by run_id, name order by run_id, name`,
    ),
    nodes: await books.rows(
      `select run_id, node_id, label, status, own_iterations, own_input_tokens, own_output_tokens, own_cache_read_tokens,
         own_cache_write_tokens
       from ledger.trajectory where tenant_id = $1 order by run_id, node_id`,
    ),
    turns: await books.rows(
      `select run_id, purpose, count(*)::int as calls, min(turn) as first, max(turn) as last from ledger.journal
       where tenant_id = $1 and kind = 'metered' and operation_id not like '%:unknown-driver'
       group by run_id, purpose order by run_id, purpose`,
    ),
  };
}
