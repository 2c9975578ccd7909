/** Both official clients, metered by one pool and not, before one provider; and what was booked. */
import { randomUUID } from "node:crypto";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { meterAnthropic } from "../../src/clients/anthropic.js";
import { type MeterOpenAIOptions, meterOpenAI } from "../../src/clients/openai.js";
import type { BudgetPool } from "../../src/ledger/budget-pool.js";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import type { Budget } from "../../src/ledger/protocol.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Script, WireServer } from "../wire/server.js";

export type Pair = { readonly openai: OpenAI; readonly anthropic: Anthropic };

/** What a test works with. */
export interface Metered extends Pair {
  readonly ledger: Ledger;
  readonly pool: BudgetPool;
  readonly server: WireServer;
  /** The same clients, unmetered. */
  readonly plain: Pair;
}

/** A settlement as it is looked at. */
export interface Settled {
  readonly label: string | null;
  readonly outcome: string | null;
  readonly purpose: string | null;
  readonly reason: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  /** In, out, read from the cache, written to it, reasoning. */
  readonly tokens: readonly number[];
  readonly known: boolean;
  readonly toolCalls: unknown;
}

/** What a provider's client is made with, but for where it is. */
export interface Made {
  readonly fetch?: typeof fetch;
  readonly maxRetries?: number;
}

/** Budget and options of a pool, and what the clients are made with. */
export interface Setting extends Made {
  readonly budget?: Budget;
  readonly options?: MeterOpenAIOptions;
}

/** A pool of a ledger, a provider, and both clients between them. */
export type Meter = (script: Script, setting?: Setting) => Promise<Metered>;

/** Call once, at the top of a test file: its tests share a tenant, each call of the answer is a pool of its own. The books are checked. */
export function useMetered(): Meter {
  const servers: WireServer[] = [];
  let database: TestDatabase;
  let ledger: Ledger;
  beforeAll(async () => {
    database = await createTestDatabase();
    const tenantId = `tenant-${randomUUID()}`;
    await database.pool.query("select ledger.create_tenant($1)", [tenantId]);
    const connectionString = await createLoginRole(database, { memberOf: "ledger_writer", tenantId });
    ledger = createLedger({ connectionString, tenantId });
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    expect((await database.pool.query("select * from ledger.audit")).rows, "ledger.audit").toEqual([]);
  });
  afterAll(async () => {
    await ledger?.close();
    await database?.drop();
  });
  return async (script, { budget = { tokens: 1_000_000 }, options = {}, ...made } = {}) => {
    const pool = await ledger.openPool(budget);
    const server = await WireServer.start(script);
    servers.push(server);
    const openai = new OpenAI({ apiKey: "key", baseURL: server.baseURL, maxRetries: 0, ...made });
    const anthropic = new Anthropic({ apiKey: "key", baseURL: server.origin, maxRetries: 0, ...made });
    const { streamUsage: _, ...common } = options;
    return {
      ledger,
      pool,
      server,
      plain: { openai, anthropic },
      openai: meterOpenAI(openai, pool, options),
      anthropic: meterAnthropic(anthropic, pool, common),
    };
  };
}

/** What was booked of the pool's calls, in the order in which they were begun. Every call is over. */
export async function settled({ ledger, pool }: Pick<Metered, "ledger" | "pool">): Promise<Settled[]> {
  await pool.assertNoOpenTickets();
  const { db, tenantId } = ledger;
  const mine = { tenant_id: tenantId, pool_id: pool.poolId };
  const [nodes, rows] = await Promise.all([
    db
      .selectFrom("nodes")
      .where("tenant_id", "=", tenantId)
      .where("parent_node_id", "=", pool.poolId)
      .selectAll()
      .execute(),
    db
      .selectFrom("journal")
      .where((by) => by.and({ ...mine, kind: "settled" }))
      .selectAll()
      .execute(),
  ]);
  const labels = new Map(nodes.map(({ node_id, label }) => [node_id, label]));
  const ordered = rows.toSorted((a, b) => orderOf(a.node_id) - orderOf(b.node_id));
  return ordered.map((row) => ({
    label: labels.get(row.node_id ?? "") ?? null,
    outcome: row.outcome,
    purpose: row.purpose,
    reason: row.reason,
    provider: row.provider,
    model: row.model,
    tokens: [
      row.input_tokens,
      row.output_tokens,
      row.cache_read_tokens,
      row.cache_write_tokens,
      row.reasoning_tokens,
    ].map(Number),
    known: row.tokens_known === true,
    toolCalls: row.tool_calls,
  }));
}

/** The number in the id of a call's node: `<pool>:s<n>`. */
function orderOf(nodeId: string | null): number {
  return Number(nodeId?.split(":s").at(-1));
}

/** What is thrown; a call that answers is no error. */
export async function thrown(call: () => Promise<unknown>): Promise<unknown> {
  try {
    const answer = await call();
    return new Error(`answered ${JSON.stringify(answer)}`);
  } catch (error) {
    return error;
  }
}
