/** Artifacts as readers see them: their own tenant's, with the bytes and how many they are. */
import { expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

it("shows an auditor the artifacts of its tenant", async () => {
  const [books, others] = [await ledger.open(), await ledger.open()];
  const body = Buffer.from("ünï");
  for (const { tenantId } of [books, others])
    await ledger.client.query("select ledger.put_blob($1, $2)", [tenantId, body]);
  const url = await createLoginRole(ledger.database, { memberOf: "ledger_auditor", tenantId: books.tenantId });
  const auditor = await connect(url);
  try {
    const { rows } = await auditor.query("select * from ledger.blobs");
    expect(rows).toEqual([
      {
        tenant_id: books.tenantId,
        blob_id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        bytes: 5,
        body,
        stored_at: expect.any(Date),
      },
    ]);
  } finally {
    await auditor.end();
  }
});
