/** What keeps a server from writing, from other tenants, and alive: the database, and whatever it is asked. */
import { sql } from "kysely";
import { expect, it } from "vitest";
import type { LedgerError } from "../../src/ledger/errors.js";
import { createLedger } from "../../src/ledger/ledger.js";
import type { Operation } from "../../src/ledger/protocol.js";
import { createLoginRole } from "../setup/database.js";
import { type Agent, TENANT, useBooks } from "./books.js";

const books = useBooks();

const codeOf = (error: LedgerError): string => error.code;
const OPERATION = { op: "fund", operation_id: "mine", pool_id: "project", amounts: { usd: "1" } } as Operation;

/** Every way to write that the client has, through the connections of the server. */
async function writesOf({ ledger }: Agent): Promise<unknown[]> {
  const called = sql`select * from ledger.apply(${TENANT}, ${JSON.stringify([OPERATION])}::jsonb)`;
  const ways = [
    ledger.apply([OPERATION]),
    ledger.withTransaction({ pools: ["project"] }, (_, inside) => inside.apply([OPERATION])),
    ledger.putArtifact({ a: 1 }),
    ledger.read((db) => called.execute(db)),
    // No matter of the ledger's roles: anybody may, in a session that writes.
    ledger.read((db) => sql`select lo_create(0)`.execute(db)),
  ];
  return Promise.all(ways.map((way) => way.then(() => "written", codeOf)));
}

it("cannot write through its own connections, whatever its login may", async () => {
  // LG006: not even looked at outside a serializable transaction. 42501: an auditor may not call it in the first place.
  expect(await writesOf(await books.agent({}, { url: books.writerUrl }))).toEqual([
    "25006",
    "25006",
    "25006",
    "LG006",
    "25006",
  ]);
  expect(await writesOf(await books.agent())).toEqual(["42501", "42501", "42501", "42501", "25006"]);
  const pleading = new URL(books.writerUrl);
  pleading.searchParams.set("options", "-c default_transaction_read_only=off");
  expect((await writesOf(await books.agent({}, { url: pleading.href })))[0]).toBe("25006");
  expect(
    (await books.rows("select total from ledger.channels where pool_id = 'project' and channel = 'usd'"))[0],
  ).toEqual({
    total: "25",
  });
});

it("does not take sessions that are not its own", () => {
  const { pool } = books.database;
  expect(() => createLedger({ pool, tenantId: TENANT, readOnly: true })).toThrow(
    "options.readOnly: is given beside pool",
  );
});

it("shows no other tenant, and says so", async () => {
  const other = "other-tenant";
  await books.database.pool.query("select ledger.create_tenant($1)", [other]);
  const url = await createLoginRole(books.database, { memberOf: "ledger_writer", tenantId: other });
  const theirs = createLedger({ connectionString: url, tenantId: other });
  await theirs.openPool({ usd: "1" }, { poolId: "theirs", run: { label: "theirs", experiment: "theirs", arm: "a" } });
  await theirs.close();
  const { ask, question } = await books.agent();
  expect((await ask("budget", { pool: "theirs" })).error).toMatchObject({ code: "LG002", name: "unknown_pool" });
  expect((await ask("trajectory", { run: "theirs" })).error).toMatchObject({ code: "LG003", name: "unknown_node" });
  expect((await ask("gate", { experiment: "theirs" })).error).toMatchObject({ code: "LG010" });
  expect(JSON.stringify(await question("balances"))).not.toContain("theirs");

  const astray = await books.agent({}, { tenantId: other });
  const lost = await books.agent({}, { url: books.database.url, tenantId: "no-such-tenant" });
  for (const [{ ask: asked }, code] of [
    [astray, "LG009"],
    [lost, "LG012"],
  ] as const) {
    for (const [tool, args] of [
      ["budget", { pool: "theirs" }],
      ["audit", {}],
      ["question", { question: "health" }],
    ] as const) {
      const { error, says } = await asked(tool, args);
      expect(error, tool).toMatchObject({ code, what_to_do: expect.stringContaining("administrator") });
      expect(says).toMatch(new RegExp(`^${code} `));
    }
  }
  const unbound = await createLoginRole(books.database, { memberOf: "ledger_auditor" });
  expect((await (await books.agent({}, { url: unbound })).ask("audit")).error.code).toBe("LG009");
});

it("answers hostile arguments with a rule, and goes on", async () => {
  const { ask, question, client } = await books.agent();
  const long = "x".repeat(10_000);
  const hostile: [tool: string, args: Record<string, unknown>, path: string][] = [
    ["budget", { pool: "a\u0000b" }, "arguments.pool"],
    ["budget", { pool: "\u001b[2J" }, "arguments.pool"],
    ["budget", { pool: long }, "arguments.pool"],
    ["budget", { pool: { toString: "review" } }, "arguments.pool"],
    ["budget", { pool: "review", sql: "select 1" }, "arguments"],
    ["budget", JSON.parse('{"constructor": {"prototype": {"polluted": true}}}'), "arguments"],
    ["budget", { [long]: 1 }, "arguments"],
    ["trajectory", { run: "review", limit: 1e9 }, "arguments.limit"],
    ["trajectory", { run: "review", limit: -1 }, "arguments.limit"],
    ["trajectory", { run: "review", limit: 1.5 }, "arguments.limit"],
    ["trajectory", { run: "review", after: "nobody" }, "arguments.after"],
    ["question", { question: "toString" }, "arguments.question"],
    ["question", { question: "__proto__" }, "arguments.question"],
    ["question", { question: "health", run: "review" }, "arguments.run"],
    ["gate", { experiment: "drafts", tolerance: "0.05; drop table" }, "tolerance"],
    ["gate", { experiment: "drafts", tolerance: 2 }, "p_tolerance"],
    ["gate", { experiment: "drafts", tolerance: "1e1000000000" }, "tolerance"],
    ["no-such-tool", {}, "name"],
    ["__proto__", {}, "name"],
  ];
  for (const [tool, args, path] of hostile) {
    const { isError, error } = await ask(tool, args);
    expect({ isError, path: error?.path }, JSON.stringify(args).slice(0, 80)).toEqual({ isError: true, path });
    expect(error.rule).toBeTypeOf("string");
    expect(JSON.stringify(error).length).toBeLessThan(1_500);
  }
  await client.callTool({ name: "budget", arguments: JSON.parse('{"__proto__": {"polluted": true}}') });
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`k${at}`, at]));
  expect((await ask("budget", many)).error.rule).toBe("must have at most 100 entries");
  for (const id of ["' or '1'='1", "review'; drop schema ledger cascade; --", "$1", "review\u202e", "%"]) {
    expect((await ask("budget", { pool: id })).error.code, id).toBe("LG002");
    expect((await ask("question", { question: "tools", run: id })).error.code, id).toBe("LG003");
  }
  expect((await question("balances", { limit: 1 })).length).toBe(1);
});

it("answers 50 calls at once, each as of one moment, while somebody writes", async () => {
  const { ask } = await books.agent({ pool: "busy" });
  const busy = await books.writer.openPool({ tokens: 1_000_000 }, { poolId: "busy", run: { label: "busy" } });
  let isWriting = true;
  const writing = (async () => {
    while (isWriting) await busy.observe({ input_tokens: 7, output_tokens: 3, usd: "0" });
  })();
  const asked = Array.from({ length: 50 }, (_, at) =>
    ask(at % 5 === 0 ? "question" : "budget", at % 5 === 0 ? { question: "balances" } : {}),
  );
  const told = await Promise.all(asked);
  isWriting = false;
  await writing;
  for (const { isError, content } of told) {
    expect(isError).toBe(false);
    if (!("tokensLeft" in content)) continue;
    const [tokens] = content.channels;
    // Two queries of one call.
    expect(String(content.tokensLeft)).toBe(tokens.free);
    expect(Number(tokens.free) + Number(tokens.committed)).toBe(1_000_000);
  }
});

it("says that the ledger cannot be reached, and does not end", async () => {
  const url = new URL(books.auditorUrl);
  url.port = "1";
  const { ask, client } = await books.agent({}, { url: url.href });
  const { error, says } = await ask("budget", { pool: "review" });
  expect(error).toMatchObject({
    code: "08006",
    retryable: true,
    what_to_do: expect.stringContaining("call again later"),
  });
  expect(says).not.toContain(url.password);
  await client.ping();
  // One that is lost between two calls is had again.
  const { ask: again } = await books.agent();
  expect((await again("audit")).content.healthy).toBe(true);
  const sessions = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1";
  await books.database.pool.query(sessions, [new URL(books.auditorUrl).username]);
  expect((await again("audit")).content.healthy).toBe(true);
  const wrong = new URL(books.auditorUrl);
  wrong.password = "wrong";
  expect((await (await books.agent({}, { url: wrong.href })).ask("audit")).error.what_to_do).toContain(
    "--database-url",
  );
});
