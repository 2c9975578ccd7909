/** What a program that may die half-way stands on: tasks behind keys, and calls that are announced before they are made. */
import { describe, expect, it } from "vitest";
import { useClients } from "./client.js";

const clients = useClients();

const worked = { iterations: 1, input_tokens: 300, output_tokens: 100, usd: 0.25 };

describe("a pool", () => {
  it("finds a task that is done under its key, and tries one that failed again with more room", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 1_000 }, { poolId: "p" });
    const taskRef = `sha256:${"0".repeat(64)}`;
    const reserve = (tokens: number, more = {}) =>
      pool.reserve({ tokens }, { label: `with ${tokens}`, key: "k", taskRef, ...more });
    const first = await reserve(10);
    if (!first.ok) throw new Error("refused");
    await pool.reconcile(first.ticket, worked, { outcome: "down" });
    const second = await reserve(50);
    if (!second.ok) throw new Error("refused");
    expect(second.ticket).toMatchObject({ nodeId: "p:s1", existing: false });
    await pool.reconcile(second.ticket, { iterations: 1, input_tokens: 1, output_tokens: 1, usd: 0 });
    expect(await reserve(5)).toMatchObject({ ok: true, ticket: { nodeId: "p:s1", existing: true } });
    expect(await reserve(5, { taskRef: undefined })).toMatchObject({ ok: false, code: "key-conflict" });
    await expect(reserve(5, { taskRef: "task" })).rejects.toMatchObject({
      code: "LG001",
      detail: { path: "options.taskRef" },
    });
  });

  it("announces its own calls, so that one that is lost is seen", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 100 }, { poolId: "r", run: { label: "r" } });
    const doubts = () =>
      ledger.db
        .selectFrom("calls_in_doubt")
        .where("tenant_id", "=", ledger.tenantId)
        .where("run_id", "=", "r")
        .select(["meter_id", "turn", "model", "detail"])
        .orderBy("seq")
        .execute();
    const one = await pool.announce({ turn: 0, model: "m", detail: { max_usd: "0.5" } });
    const two = await pool.announce({ meterId: "two", operationId: "announced", tags: { a: "b" } });
    expect(two).toBe("two");
    expect(await pool.announce({ meterId: "two", operationId: "announced", tags: { a: "b" } })).toBe("two");
    expect(await doubts()).toEqual([
      { meter_id: one, turn: 0, model: "m", detail: { max_usd: "0.5" } },
      { meter_id: "two", turn: null, model: null, detail: null },
    ]);
    await pool.observe({ input_tokens: 5, output_tokens: 5, usd: 0 }, { operationId: one });
    expect((await doubts()).map(({ meter_id }) => meter_id)).toEqual(["two"]);
    await expect(pool.announce({ meterId: "x", operationId: "x" })).rejects.toMatchObject({ code: "LG001" });
    await pool.close();
    await expect(pool.announce()).rejects.toMatchObject({ code: "pool-closed" });
    await pool.observe({ usd: 0, input_tokens: 0, output_tokens: 0 }, { operationId: two });
    expect(await doubts()).toEqual([]);
  });
});
