import pg from "pg";
import { describe, expect, it } from "vitest";
import { sessionConfig } from "../../src/database/connect.js";

describe("sessionConfig", () => {
  it("keeps the options of the connection string and adds the isolation level last", () => {
    const config = sessionConfig("postgres://u@h/d?options=-c%20lock_timeout%3D1s");
    expect(config.options).toBe(
      "-c lock_timeout=1s -c default_transaction_isolation=serializable -c jit=off -c DateStyle=ISO",
    );
  });

  it("keeps a name that the connection string gives the session", () => {
    expect(sessionConfig("postgres://u@h/d?application_name=billing").application_name).toBe("billing");
    expect(sessionConfig("postgres://u@h/d").application_name).toBe("agent-ledger");
  });

  it("is not affected by parsers that the application registers for everybody", () => {
    const original = pg.types.getTypeParser(20);
    pg.types.setTypeParser(20, Number);
    try {
      const parse = sessionConfig("postgres://u@h/d").types?.getTypeParser(20, "text");
      expect(parse?.("9007199254740993")).toBe("9007199254740993");
    } finally {
      pg.types.setTypeParser(20, original);
    }
  });
});
