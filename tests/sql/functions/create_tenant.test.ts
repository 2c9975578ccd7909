import { describe, expect, it } from "vitest";
import { openPool } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const create = (...parameters: unknown[]) =>
  ledger.client.query(`select ledger.create_tenant(${parameters.map((_, n) => `$${n + 1}`).join(", ")})`, parameters);
const tenant = async (tenantId: string) =>
  (
    await ledger.client.query("select settings, frozen_pools from ledger_private.tenants where tenant_id = $1", [
      tenantId,
    ])
  ).rows;

describe("create_tenant", () => {
  it("makes a tenant with its settings, or with none", async () => {
    await create("with", '{"currency": "USD"}');
    await create("without");
    expect(await tenant("with")).toEqual([{ settings: { currency: "USD" }, frozen_pools: 0 }]);
    expect(await tenant("without")).toEqual([{ settings: {}, frozen_pools: 0 }]);
  });

  it("changes nothing when called again", async () => {
    await create("again", '{"a": 1}');
    await create("again", '{"a": 2}');
    await create("again");
    expect(await tenant("again")).toEqual([{ settings: { a: 1 }, frozen_pools: 0 }]);
  });

  it.each(["it's", "a/b", "東京", "x".repeat(200), "%", " "])("takes the name %j", async (tenantId) => {
    await create(tenantId);
    const { rows } = await ledger.client.query("call ledger.submit($1, $2, false, null)", [
      tenantId,
      JSON.stringify([{ operation_id: "o", ...openPool("p") }]),
    ]);
    expect(rows[0].p_results).toMatchObject([{ status: "ok" }]);
  });

  it.each([null, "", "*", "x".repeat(201), "a\nb", "\u0001"])("does not take the name %j", async (tenantId) => {
    await expect(create(tenantId)).rejects.toMatchObject({
      code: "LG001",
      detail: expect.stringContaining('"path": "p_tenant_id"'),
    });
  });

  it.each([null, "[]", "5", "null"])("does not take the settings %j", async (settings) => {
    await expect(create("t", settings)).rejects.toMatchObject({
      code: "LG001",
      detail: expect.stringContaining('"path": "p_settings"'),
    });
    expect(await tenant("t")).toEqual([]);
  });
});
