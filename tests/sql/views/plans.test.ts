/** Plans as they were registered, to those who may read the tenant. */
import { expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import { openPool } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

it("shows a plan to its tenant's auditor and to no other", async () => {
  const books = await ledger.open();
  const { id } = await books.row("select ledger.put_blob($1, 'the plan') as id");
  const { seq } = await books.ok(openPool("p"), { op: "plan", pool_id: "p", experiment: "E", plan_ref: id });
  const seenBy = async (tenantId: string): Promise<unknown[]> => {
    const url = await createLoginRole(ledger.database, { memberOf: "ledger_auditor", tenantId });
    const client = await connect(url);
    const { rows } = await client.query("select * from ledger.plans");
    await client.end();
    return rows;
  };
  expect(await seenBy(books.tenantId)).toMatchObject([
    { tenant_id: books.tenantId, experiment: "E", plan_ref: id, pool_id: "p", seq: String(seq) },
  ]);
  expect(await seenBy((await ledger.open()).tenantId)).toEqual([]);
});
