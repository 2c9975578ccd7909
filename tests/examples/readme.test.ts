/** The SQL of the README runs in the order it stands there, and its questions have answers. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { HISTORY, TENANT } from "../../src/demo/history.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { readmeStatements } from "./readme.js";

/** The role the README makes; roles belong to the cluster, so it goes when the test is over. */
const ROLE = "acme_auditor";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(`drop role if exists ${ROLE}`);
  await database.pool.query("select ledger.create_tenant($1)", [TENANT]);
  await database.pool.query("call ledger.submit($1, $2, false, null)", [TENANT, JSON.stringify(HISTORY)]);
});

afterAll(async () => {
  await database.pool.query(`drop role if exists ${ROLE}`);
  await database.drop();
});

it("answers what it asks", async () => {
  for (const statement of readmeStatements()) {
    const { rows } = await database.pool.query(statement);
    if (statement.includes("from ledger.audit")) expect(rows).toEqual([]);
    else if (statement.startsWith("select")) expect(rows, statement).not.toEqual([]);
    if (statement.startsWith("call")) {
      expect(rows[0].p_results.map((answer: { status: string }) => answer.status)).toSatisfy((all: string[]) =>
        all.every((one) => one === "ok"),
      );
    }
  }
});
