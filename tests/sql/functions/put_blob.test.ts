import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const idOf = (body: Buffer): string => `sha256:${createHash("sha256").update(body).digest("hex")}`;

describe("put_blob", () => {
  it.each([
    ["nothing", Buffer.alloc(0)],
    ["text", Buffer.from("an artifact, ünïcødé")],
    ["every byte", Buffer.from(Array.from({ length: 256 }, (_, n) => n))],
    ["a megabyte", randomBytes(1 << 20)],
  ])("keeps %s under the digest of its bytes", async (_what, body) => {
    const books = await ledger.open();
    const put = () => books.row("select ledger.put_blob($1, $2) as id", body);
    expect(await put()).toEqual({ id: idOf(body) });
    expect(await put()).toEqual({ id: idOf(body) });
    const kept = await books.row("select blob_id, body from ledger_private.blobs where tenant_id = $1");
    expect(kept.blob_id).toBe(idOf(body));
    expect((kept.body as Buffer).equals(body)).toBe(true);
  });

  it("keeps the same bytes once for each tenant", async () => {
    const body = Buffer.from("shared");
    for (const books of [await ledger.open(), await ledger.open()]) {
      await books.row("select ledger.put_blob($1, $2)", body);
      expect(await books.rows("select from ledger_private.blobs where tenant_id = $1")).toHaveLength(1);
    }
  });

  it("keeps no null, and nothing of a tenant that was never made", async () => {
    const books = await ledger.open();
    await expect(books.row("select ledger.put_blob($1, null)")).rejects.toMatchObject({
      code: "LG001",
      detail: expect.stringContaining('"path": "p_body"'),
    });
    await expect(books.client.query("select ledger.put_blob('nobody', 'x')")).rejects.toMatchObject({ code: "LG012" });
  });
});
