/** The ledger in a transaction of the caller's, and `submit` in one of its own. */
import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Books, Operation } from "../books.js";
import { meter, openPool, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const SERIALIZABLE = "begin isolation level serializable";

beforeAll(async () => {
  await ledger.client.query("create table public.jobs (id text primary key)");
});

async function openBooks(): Promise<Books> {
  const books = await ledger.open();
  await books.ok(openPool("p", { tokens: 10 }));
  return books;
}

const numbered = (operation: Operation): string => JSON.stringify([{ operation_id: "x", ...operation }]);
const apply = (books: Books, operation: Operation): Promise<pg.QueryResult> =>
  books.client.query("select status, code from ledger.apply($1, $2)", [books.tenantId, numbered(operation)]);
const jobs = async (): Promise<unknown[]> => (await ledger.client.query("select id from public.jobs")).rows;

/** What a call raises. */
async function raised(call: Promise<unknown>): Promise<pg.DatabaseError & { facts: Record<string, unknown> }> {
  const error = await call.then(
    () => new Error("nothing was raised"),
    (reason) => reason,
  );
  return Object.assign(error, { facts: JSON.parse(error.detail ?? "{}") });
}

describe("ledger.apply in the caller's transaction", () => {
  it("commits together with the caller's own rows", async () => {
    const books = await openBooks();
    await books.client.query(SERIALIZABLE);
    await books.client.query("insert into public.jobs values ('kept')");
    expect((await apply(books, spawn("p", "a", { tokens: 4 }))).rows).toEqual([{ status: "ok", code: null }]);
    await books.client.query("commit");
    expect(await jobs()).toEqual([{ id: "kept" }]);
    expect(await books.balance("p", "tokens")).toEqual(["6", "4", "0"]);
  });

  it("rolls back together with them, and its operation id is free again", async () => {
    const books = await openBooks();
    await books.client.query(SERIALIZABLE);
    await books.client.query("insert into public.jobs values ('lost')");
    await apply(books, meter("p", { input_tokens: 4 }));
    await books.client.query("rollback");
    expect(await jobs()).not.toContainEqual({ id: "lost" });
    expect(await books.balance("p", "tokens")).toEqual(["10", "0", "0"]);
    expect(await books.kinds("p")).toEqual(["opened"]);
    await books.ok(meter("p", { input_tokens: 5 }, { operation_id: "x" }));
  });

  it("keeps what the caller wrote where an operation is refused or in error", async () => {
    const books = await openBooks();
    await books.client.query(SERIALIZABLE);
    await books.client.query("insert into public.jobs values ('refused')");
    expect((await apply(books, spawn("p", "a", { tokens: 99 }))).rows).toEqual([
      { status: "refused", code: "budget-exhausted" },
    ]);
    await books.client.query("commit");
    expect(await jobs()).toContainEqual({ id: "refused" });
  });

  it("sees in a second call what the first one did, and can be undone to a savepoint", async () => {
    const books = await openBooks();
    await books.client.query(SERIALIZABLE);
    await apply(books, { ...spawn("p", "a", { tokens: 4 }), operation_id: "one" });
    await books.client.query("savepoint s");
    await apply(books, { ...meter("p", { input_tokens: 3 }), operation_id: "two" });
    await books.client.query("rollback to s");
    expect((await apply(books, { ...spawn("p", "b", { tokens: 7 }), operation_id: "three" })).rows).toEqual([
      { status: "refused", code: "budget-exhausted" },
    ]);
    await books.client.query("commit");
    expect(await books.balance("p", "tokens")).toEqual(["6", "4", "0"]);
  });

  it.each(["read committed", "repeatable read", "read uncommitted"])("is LG006 at %s", async (level) => {
    const books = await openBooks();
    await books.client.query(`begin isolation level ${level}`);
    const error = await raised(apply(books, meter("p")));
    await books.client.query("rollback");
    expect(error).toMatchObject({ code: "LG006", facts: { name: "not_serializable" } });
    expect(error.hint).toContain("ledger.submit");
    expect(error.hint).toContain("BEGIN ISOLATION LEVEL SERIALIZABLE");
  });

  it("is refused in a read-only transaction by Postgres", async () => {
    const books = await openBooks();
    await books.client.query(`${SERIALIZABLE} read only`);
    const error = await raised(apply(books, meter("p")));
    await books.client.query("rollback");
    expect(error.code).toBe("25006");
  });

  it("records when and by whom", async () => {
    const books = await openBooks();
    const { rows } = await books.client.query("select session_user::text as name, clock_timestamp() as before");
    await books.ok(meter("p"));
    const row = (await books.journal("p")).at(-1);
    expect(row).toMatchObject({ recorded_by: rows[0].name });
    expect(Number(row?.recorded_at)).toBeGreaterThanOrEqual(Number(rows[0].before));
  });
});

describe("ledger.apply_one", () => {
  const one = (books: Books, operation: unknown): Promise<pg.QueryResult> =>
    books.client.query("select ledger.apply_one($1, $2) as answer", [books.tenantId, JSON.stringify(operation)]);

  it("answers ok, a refusal and a replay", async () => {
    const books = await openBooks();
    const turn = { operation_id: "t", ...meter("p", { input_tokens: 1 }) };
    const ok = { status: "ok", code: null, result: { pool_id: "p", seq: 2 } };
    expect((await one(books, turn)).rows).toEqual([{ answer: ok }]);
    expect((await one(books, turn)).rows).toEqual([{ answer: { ...ok, status: "replayed" } }]);
    expect((await one(books, { operation_id: "s", ...spawn("p", "a", { tokens: 10 }) })).rows).toEqual([
      {
        answer: {
          status: "refused",
          code: "budget-exhausted",
          result: { pool_id: "p", seq: null, shortfall: [{ channel: "tokens", requested: "10", free: "9" }] },
        },
      },
    ]);
  });

  it.each([
    ["LG001", "invalid_operation", { operation_id: "x", ...meter("p", { input_tokens: -1 }) }, "spend.input_tokens"],
    ["LG001", "invalid_operation", [], ""],
    ["LG002", "unknown_pool", { operation_id: "x", ...meter("q") }, "pool_id"],
    ["LG003", "unknown_node", { operation_id: "x", op: "dispatch", node_id: "q" }, "node_id"],
    ["LG004", "already_settled", { operation_id: "x", op: "cancel", node_id: "ended", reason: "r" }, "node_id"],
    ["LG005", "operation_conflict", { operation_id: "used", ...meter("p", { input_tokens: 5 }) }, "operation_id"],
    ["LG007", "open_holds", { operation_id: "x", op: "close_pool", pool_id: "p" }, "pool_id"],
    ["LG011", "already_exists", { operation_id: "x", ...openPool("p") }, "pool_id"],
  ])("raises %s %s with path and rule in DETAIL", async (code, name, operation, path) => {
    const books = await openBooks();
    await books.ok(
      spawn("p", "ended", { tokens: 1 }),
      { op: "cancel", node_id: "ended", reason: "r" },
      spawn("p", "open", { tokens: 1 }),
      meter("p", {}, { operation_id: "used" }),
    );
    const before = await books.kinds("p");
    const error = await raised(one(books, operation));
    expect(error).toMatchObject({ code, facts: { name, path, rule: expect.stringMatching(/\w/) } });
    expect(await books.kinds("p")).toEqual(before);
  });

  it("is LG006 outside SERIALIZABLE", async () => {
    const books = await openBooks();
    await books.client.query("begin isolation level read committed");
    const error = await raised(one(books, { operation_id: "x", ...meter("p") }));
    await books.client.query("rollback");
    expect(error.code).toBe("LG006");
  });
});

describe("ledger.submit", () => {
  const submit = (books: Books): Promise<unknown> =>
    books.client.query("call ledger.submit($1, $2, false, null)", [books.tenantId, numbered(meter("p"))]);

  it("is serializable whatever the session's default is", async () => {
    const books = await openBooks();
    await books.client.query("set default_transaction_isolation = 'read committed'");
    await submit(books);
    expect((await books.client.query("show transaction_isolation")).rows).toEqual([
      { transaction_isolation: "read committed" },
    ]);
    await books.client.query("set default_transaction_isolation = 'serializable'");
    expect(await books.kinds("p")).toEqual(["opened", "metered"]);
  });

  it("fails clearly inside a transaction block, and has done nothing", async () => {
    const books = await openBooks();
    await books.client.query(SERIALIZABLE);
    expect((await raised(submit(books))).code).toBe("2D000");
    await books.client.query("rollback");
    expect(await books.kinds("p")).toEqual(["opened"]);
    await expectNoLocks(books);
  });

  it("leaves no lock behind, whether it works, is rejected or fails", async () => {
    const books = await openBooks();
    await submit(books);
    await expectNoLocks(books);
    const parameters = [books.tenantId, JSON.stringify([{ operation_id: "y", op: "steal" }])];
    expect((await raised(books.client.query("call ledger.submit($1, $2, true, null)", parameters))).code).toBe("LG008");
    await expectNoLocks(books);
    expect((await raised(books.client.query("call ledger.submit('nobody', $1, true, null)", ["[]"]))).code).toBe(
      "LG012",
    );
    await expectNoLocks(books);
  });

  it("takes a null for not atomic", async () => {
    const books = await openBooks();
    const { rows } = await books.client.query("call ledger.submit($1, $2, null, null)", [
      books.tenantId,
      numbered({ op: "steal" }),
    ]);
    expect(rows[0].p_results).toMatchObject([{ status: "error", code: "LG001" }]);
  });

  async function expectNoLocks(books: Books): Promise<void> {
    const { rows } = await books.client.query(
      "select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    );
    expect(rows).toEqual([]);
  }
});
