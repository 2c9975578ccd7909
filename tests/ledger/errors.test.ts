/** One registry of errors: the client's names and verdicts are the database's. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Complaint } from "../../src/database/complaint.js";
import { errorOf, isClean, kindOf, LedgerError, ledgerError } from "../../src/ledger/errors.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** What a statement that raises that code throws. */
async function raised(code: string, detail = ""): Promise<unknown> {
  const text = `do $$ begin raise exception using errcode = '${code}', message = 'm', detail = '${detail}', hint = 'h'; end $$`;
  return database.pool.query(text).catch((error: unknown) => error);
}

describe("an error of the database", () => {
  it("has the name and the verdict of the registry", async () => {
    const { rows } = await database.pool.query(
      "select code, name, retryable from ledger.error_codes() order by position",
    );
    expect(rows).toHaveLength(15);
    for (const { code, name, retryable } of rows) {
      const error = ledgerError(await raised(code));
      expect(error).toBeInstanceOf(LedgerError);
      const message = code === "LG012" ? "m (h, or agent-ledger tenant create)" : "m (h)";
      expect(error).toMatchObject({ code, name, retryable, message });
    }
  });

  it("says which role has the right that is missing", async () => {
    expect(ledgerError(await raised("42501")).message).toBe("m (h, ledger_writer writes, ledger_auditor only reads)");
  });

  it("carries the facts of its detail, and does not take prose for facts", async () => {
    expect(ledgerError(await raised("LG001", '{"path": "a.b", "rule": "r"}'))).toMatchObject({
      detail: { path: "a.b", rule: "r" },
    });
    expect(ledgerError(await raised("23505", "Key (a) exists."))).toMatchObject({
      detail: { detail: "Key (a) exists." },
    });
  });

  it.each([
    ["LG001", "final", true],
    ["40001", "conflict", true],
    ["40P01", "conflict", true],
    ["55P03", "conflict", true],
    ["23505", "final", true],
    ["57014", "final", false],
    ["57P01", "connection", false],
    ["57P03", "connection", false],
    ["53300", "connection", false],
    ["08003", "connection", false],
    ["XX000", "final", false],
  ])("%s is %s, and the connection goes on: %s", async (code, kind, clean) => {
    const error = await raised(code);
    expect([kindOf(error), isClean(error)]).toEqual([kind, clean]);
  });
});

describe("any other error", () => {
  it("of the way to the database is a lost connection", () => {
    const error = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    expect([kindOf(error), isClean(error)]).toEqual(["connection", false]);
    expect(ledgerError(error)).toMatchObject({
      code: "08006",
      name: "connection_failure",
      retryable: true,
      cause: error,
    });
  });

  it("that says what to do is final, and says it", () => {
    const complaint = new Complaint("install it");
    expect(kindOf(complaint)).toBe("final");
    expect(ledgerError(complaint)).toMatchObject({
      code: "08001",
      name: "no_connection",
      retryable: false,
      message: "install it",
    });
  });

  it("that is a mistake in a program stays what it is", () => {
    const mistake = new TypeError("x is not a function");
    expect(kindOf(mistake)).toBe("final");
    expect(ledgerError(mistake)).toBe(mistake);
  });
});

it("is made of an answer that is one", () => {
  const answer = {
    position: 0,
    status: "error",
    code: "LG003",
    result: { path: "node_id", rule: "there is no node n" },
  } as const;
  expect(errorOf(answer, "o")).toMatchObject({
    code: "LG003",
    name: "unknown_node",
    retryable: false,
    message: "node_id there is no node n (operation o)",
    detail: { path: "node_id", operation_id: "o" },
  });
});
