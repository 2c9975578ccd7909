/** Every code has a hint that says what to do. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeFailure, NotDone } from "../../src/cli/errors.js";
import { Complaint } from "../../src/database/complaint.js";
import { LedgerError } from "../../src/ledger/errors.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";

const REFUSALS = [
  ...["key-conflict", "duplicate-key", "pool-closed", "pool-frozen", "deadline-passed", "depth-exceeded"],
  ...["usd-sealed", "usd-unbudgeted", "budget-exhausted", "not-free"],
];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe("a failure", () => {
  it("has a hint for every code of the registry", async () => {
    const { rows } = await database.pool.query<{ code: string }>("select code from ledger.error_codes()");
    expect(rows.length).toBeGreaterThan(10);
    for (const { code } of rows) {
      const failure = describeFailure(new LedgerError(code, "said", { detail: { path: "x" } }));
      expect(failure).toMatchObject({ code, message: "said", detail: { path: "x" } });
      expect(failure.hint, code).toMatch(/\w{3}/);
    }
  });

  it.each(REFUSALS)("has a hint for the refusal %s", (code) => {
    const shortfall = [{ channel: "usd", requested: "1200.5", free: "-1" }];
    const answer = { position: 0, status: "refused" as const, code, result: { shortfall } };
    expect(describeFailure(new NotDone(answer, "pool open p"))).toEqual({
      code,
      message: "pool open p: refused, usd: 1,200.5 asked, -1 free",
      hint: expect.stringMatching(/\w{3}/),
      detail: answer,
    });
  });

  it("of a replayed error reads as that error", () => {
    const answer = { position: 0, status: "replayed" as const, code: "not-free", result: {} };
    expect(describeFailure(new NotDone(answer, "x"))).toMatchObject({ code: "not-free", message: "x: refused" });
  });

  it("of the connection names the place and how it was given", () => {
    const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const error = new LedgerError("08006", "the connection to the database failed", { cause });
    const given = { url: "postgres://me@db.example:5433/x", source: "--database-url" };
    expect(describeFailure(error, given)).toMatchObject({
      message: "--database-url: nothing listens on db.example:5433: start the server, or correct host and port",
    });
  });

  it("that is known says all there is, and a surprise says where to look", () => {
    expect(describeFailure(new Complaint("Do this"))).toEqual({ code: null, message: "Do this", hint: null });
    expect(describeFailure(new TypeError("boom")).hint).toContain("AGENT_LEDGER_DEBUG=1");
    expect(describeFailure(new AggregateError([new Error("a"), new Error("b")])).message).toBe("a; b");
    expect(describeFailure(new pg.DatabaseError("odd", 1, "error"))).toMatchObject({ message: "odd" });
  });
});
