/** Books for MCP servers to read: a project with a live run, two runs of an experiment beside it, and a neighbour; and servers on them. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import type { Operation } from "../../src/ledger/protocol.js";
import type { Binding } from "../../src/mcp/bounds.js";
import { createLedgerMcpServer } from "../../src/mcp/server.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";

export const TENANT = "acme";

const spend = (input_tokens: number, output_tokens: number, usd?: string) => ({
  iterations: 1,
  input_tokens,
  output_tokens,
  ...(usd === undefined ? { usd_known: false } : { usd }),
});
const run = (label: string, arm: string, experiment: string) => ({ label, experiment, arm, task: "1" });
/** A call of a tool, the same each time. */
const CALLED = { name: "search", arguments: `sha256:${"0".repeat(64)}` };
const DAY_MS = 86_400_000;

/**
 * `project` ($25) pays for `review` ($2, 50,000 tokens) and the runs of experiment `drafts`; `elsewhere` ($5) for `other`, which is in the experiment of
 * `review`. `review` has a worker that is done, one at work, and the driver `review:d`, whose dollars are sealed.
 */
const WRITTEN: readonly object[] = [
  { op: "open_pool", pool_id: "project", channels: { usd: { total: "25" } } },
  { op: "open_pool", pool_id: "elsewhere", channels: { usd: { total: "5" } } },
  {
    op: "open_pool",
    pool_id: "review",
    parent_pool_id: "project",
    channels: { tokens: { total: 50_000 }, iterations: { total: 10 }, usd: { total: "2" } },
    run: run("Review", "a", "shared"),
  },
  {
    op: "meter",
    operation_id: "turn-0",
    pool_id: "review",
    turn: 0,
    provider: "p",
    model: "large",
    tool_calls: [CALLED, CALLED, CALLED, "read"],
    spend: { ...spend(900, 120, "0.011"), iterations: 0, usd_known: false },
  },
  { op: "correct", of: "turn-0", reason: "receipt", spend: { ...spend(900, 120, "0.012"), iterations: 0 } },
  {
    op: "spawn",
    pool_id: "review",
    node_id: "review:w",
    label: "writer",
    budget: { tokens: 20_000, iterations: 2, usd: "0.5" },
  },
  { op: "dispatch", node_id: "review:w" },
  {
    op: "settle",
    node_id: "review:w",
    outcome: "done",
    provider: "p",
    model: "small",
    spend: spend(7_000, 800, "0.07"),
  },
  {
    op: "spawn",
    pool_id: "review",
    node_id: "review:d",
    label: "editor",
    budget: { tokens: 10_000, iterations: 5, usd: "0.4" },
    driver: true,
    lease_ms: DAY_MS,
  },
  {
    op: "spawn",
    pool_id: "review:d",
    node_id: "review:d:w",
    label: "reader",
    budget: { tokens: 2_000, iterations: 1, usd: "0.1" },
  },
  {
    op: "settle",
    node_id: "review:d:w",
    outcome: "done",
    provider: "p",
    model: "small",
    spend: spend(400, 50, "0.004"),
  },
  {
    op: "meter",
    pool_id: "review:d",
    turn: 0,
    provider: "p",
    model: "large",
    spend: { ...spend(300, 30), iterations: 0 },
  },
  {
    op: "spawn",
    pool_id: "review",
    node_id: "review:h",
    label: "at work",
    budget: { tokens: 1_000, iterations: 1, usd: "0.2" },
    lease_ms: DAY_MS,
  },
  { op: "dispatch", node_id: "review:h" },
  {
    op: "open_pool",
    pool_id: "draft-x",
    parent_pool_id: "project",
    channels: { usd: { total: "1" } },
    run: run("X", "x", "drafts"),
  },
  {
    op: "open_pool",
    pool_id: "draft-y",
    parent_pool_id: "project",
    channels: { usd: { total: "1" } },
    run: run("Y", "y", "drafts"),
  },
  { op: "meter", pool_id: "draft-x", model: "large", spend: { ...spend(1_000, 0, "0.1"), iterations: 0 } },
  { op: "meter", pool_id: "draft-y", model: "large", spend: { ...spend(980, 0, "0.098"), iterations: 0 } },
  { op: "settle", node_id: "draft-x", outcome: "done" },
  { op: "settle", node_id: "draft-y", outcome: "done" },
  {
    op: "open_pool",
    pool_id: "other",
    parent_pool_id: "elsewhere",
    channels: { usd: { total: "1" } },
    run: run("Other", "b", "shared"),
  },
  {
    op: "meter",
    pool_id: "other",
    model: "secret-model",
    tool_calls: ["secret-tool"],
    spend: { ...spend(5, 5), iterations: 0 },
  },
];
/** Refused: more than there is, and dollars of a driver whose own are sealed. */
const REFUSED: readonly object[] = [
  { op: "spawn", pool_id: "review", label: "too much", budget: { tokens: 900_000, iterations: 1, usd: "0.1" } },
  { op: "spawn", pool_id: "review:d", label: "sealed", budget: { tokens: 10, iterations: 1, usd: "0.01" } },
];

/** An answer of a tool. */
export interface Told {
  readonly isError: boolean;
  readonly says: string;
  // biome-ignore lint/suspicious/noExplicitAny: each tool has a shape of its own, which the client has checked.
  readonly content: any;
  readonly error: { code: string; name: string; message: string; path?: string; rule?: string; what_to_do: string };
}

/** A client of a server on the books. */
export interface Agent {
  readonly client: Client;
  readonly ledger: Ledger;
  ask(tool: string, args?: Record<string, unknown>): Promise<Told>;
  question(name: string, args?: Record<string, unknown>): Promise<Record<string, unknown>[]>;
}

/** What a test file works with. */
export interface Books {
  readonly database: TestDatabase;
  readonly writerUrl: string;
  readonly auditorUrl: string;
  /** A writing client of the tenant, closed at the end. */
  readonly writer: Ledger;
  /** A server bound so, and a client connected to it; both end after the test. */
  agent(binding?: Binding, options?: { url?: string; tenantId?: string }): Promise<Agent>;
  /** What a view answers the superuser, as JSON has it. */
  rows(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** Call once, at the top of a test file. The books must add up at its end. */
export function useBooks(): Books {
  const books = {} as { -readonly [key in keyof Books]: Books[key] };
  const open: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    books.database = await createTestDatabase();
    await books.database.pool.query("select ledger.create_tenant($1)", [TENANT]);
    const role = { tenantId: TENANT };
    books.writerUrl = await createLoginRole(books.database, { memberOf: "ledger_writer", ...role });
    books.auditorUrl = await createLoginRole(books.database, { memberOf: "ledger_auditor", ...role });
    books.writer = createLedger({ connectionString: books.writerUrl, tenantId: TENANT });
    const operations = [...WRITTEN, ...REFUSED].map((operation, at) => ({ operation_id: `op-${at}`, ...operation }));
    const answers = await books.writer.apply(operations as Operation[]);
    const objections = answers.filter(({ status }) => status !== "ok").map(({ code }) => code);
    expect(objections).toEqual(["budget-exhausted", "usd-sealed"]);
    await books.writer.pool("review").announce({ turn: 1, provider: "p", model: "large", meterId: "turn-1" });
  });
  afterEach(async () => {
    for (const end of open.splice(0)) await end();
  });
  afterAll(async () => {
    await books.writer.close();
    const { rows } = await books.database.pool.query("select * from ledger.audit");
    await books.database.drop();
    expect(rows).toEqual([]);
  });
  books.agent = async (binding = {}, { url = books.auditorUrl, tenantId = TENANT } = {}) => {
    const ledger = createLedger({ connectionString: url, tenantId, readOnly: true });
    const client = await clientOf(await createLedgerMcpServer({ ledger, ...binding }));
    open.push(async () => {
      await client.close();
      await ledger.close();
    });
    const ask = (tool: string, args: Record<string, unknown> = {}): Promise<Told> => toldBy(client, tool, args);
    const question = async (name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>[]> => {
      const { content, error } = await ask("question", { question: name, ...args });
      expect(error).toBeUndefined();
      return content.rows;
    };
    return { client, ledger, ask, question };
  };
  books.rows = async (sql, values = []) => {
    const { rows } = await books.database.pool.query(sql, values);
    return JSON.parse(JSON.stringify(rows));
  };
  return books;
}

async function clientOf(server: Awaited<ReturnType<typeof createLedgerMcpServer>>): Promise<Client> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "test", version: "1" });
  await Promise.all([server.connect(ours), client.connect(theirs)]);
  // Answers are checked against the schemas that are listed.
  await client.listTools();
  return client;
}

/** Calls a tool and reads its answer. */
export async function toldBy(client: Client, tool: string, args: Record<string, unknown>): Promise<Told> {
  const result = (await client.callTool({ name: tool, arguments: args })) as CallToolResult;
  const [says = "", json = "{}"] = result.content.map((part) => (part.type === "text" ? part.text : ""));
  const { error } = JSON.parse(json);
  if (!result.isError) expect(JSON.parse(json)).toEqual(result.structuredContent);
  return { isError: result.isError === true, says, content: result.structuredContent, error };
}
