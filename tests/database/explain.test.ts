import { describe, expect, it } from "vitest";
import { Complaint } from "../../src/database/complaint.js";
import { connect } from "../../src/database/connect.js";
import { explain } from "../../src/database/explain.js";

const URL = "postgres://ann:secret@db.example:5433/books";
const failure = (code: string, message = ""): Error => Object.assign(new Error(message), { code });

describe("explain", () => {
  it.each([
    ["ECONNREFUSED", "", "nothing listens on db.example:5433: start the server, or correct host and port"],
    ["ETIMEDOUT", "", "db.example:5433 cannot be reached: correct host and port"],
    ["ENOTFOUND", "", "host db.example is not known: correct it"],
    ["EAI_AGAIN", "", "host db.example is not known: correct it"],
    ["3D000", "", "database books does not exist: createdb books"],
    ["28P01", "", "the server refused the password of ann: correct user and password"],
    ["28000", "no entry for ann", "no entry for ann: correct the user, or let it in by pg_hba.conf"],
    ["42501", "denied", "denied: the migration makes roles and needs a superuser, which ann is not"],
    ["ERR_INVALID_URL", "", "not of the form postgres://user:password@host:5432/database"],
    ["", "SASL: no password", "the server asks for a password: put it into the URL"],
  ])("says what to do about %s", (code, message, sentence) => {
    expect(explain(failure(code, message), URL)).toBe(`DATABASE_URL: ${sentence}`);
    expect(explain(failure(code, message))).toBeUndefined();
  });

  it("finds the reason below what was made of it", () => {
    const error = new Error("Migration failed", { cause: failure("3D000") });
    expect(explain(error, URL)).toContain("createdb books");
  });

  it("repeats a complaint, wherever the database is", () => {
    expect(explain(new Complaint("in use"))).toBe("in use");
    expect(explain(new Complaint("in use"), URL)).toBe("in use");
  });

  it.each([failure("XX000"), failure("toString"), new TypeError("x is undefined"), "text", undefined])(
    "leaves a surprise as it is: %s",
    (error) => expect(explain(error, URL)).toBeUndefined(),
  );

  it.each([
    ["postgres://ann@localhost:1/books", "nothing listens on localhost:1:"],
    ["postgres://ann@host.invalid/books", "host host.invalid is not known"],
    ["postgres://ann@localhost:one/books", "not of the form"],
    ["books", "not of the form"],
  ])("knows what connecting to %s fails with", async (url, sentence) => {
    const error = await connect(url).catch((reason: unknown) => reason);
    expect(explain(error, url)).toContain(sentence);
  });
});
