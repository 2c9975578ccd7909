/** The keys of spawn: what makes starting the same child twice safe. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const keyed = (poolId: string, change = {}) => ({
  op: "spawn",
  pool_id: poolId,
  label: "l",
  key: "k",
  budget: { tokens: 2, usd: "0.5" },
  ...change,
});

describe.each(WAYS)("a keyed spawn %s", (way) => {
  async function openBooks() {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100, usd: "10" }));
    return books;
  }

  it("finds the child that is done, and reserves nothing", async () => {
    const books = await openBooks();
    await books.ok(keyed("p"), settle("p:s0", { input_tokens: 1, usd: "0.1" }, { out_ref: "sha256:1" }));
    expect(await books.ok(keyed("p"))).toEqual({ pool_id: "p", seq: null, node_id: "p:s0", existing: true });
    expect(
      await books.ok(keyed("p", { budget: { usd: "0.5", tokens: 2 }, runtime: "other", lease_ms: 5 })),
    ).toMatchObject({ existing: true });
    expect(await books.balance("p", "tokens")).toEqual(["99", "0", "1"]);
    expect((await books.ok(keyed("p", { key: "k2" }))).node_id).toBe("p:s1");
  });

  it("is a duplicate while the child is at work", async () => {
    const books = await openBooks();
    await books.ok(keyed("p"));
    expect(await books.refused("duplicate-key", keyed("p"))).toEqual({ pool_id: "p", seq: null });
    await books.ok({ op: "dispatch", node_id: "p:s0" });
    await books.refused("duplicate-key", keyed("p"));
  });

  it.each([
    ["down", settle("p:s0", {}, { outcome: "down" })],
    ["cancelled", { op: "cancel", node_id: "p:s0", reason: "r" }],
  ])("makes a new node after one that ended as %s", async (status, ending) => {
    const books = await openBooks();
    await books.ok(keyed("p"), ending);
    expect(await books.node("p:s0")).toMatchObject({ status });
    expect(await books.ok(keyed("p"))).toMatchObject({ node_id: "p:s1" });
    await books.refused("duplicate-key", keyed("p"));
    await books.ok(settle("p:s1"));
    expect(await books.ok(keyed("p"))).toEqual({ pool_id: "p", seq: null, node_id: "p:s1", existing: true });
  });

  it("makes a new node after one that expired, until that one is settled late", async () => {
    const books = await openBooks();
    await books.ok(keyed("p", { lease_ms: 1 }));
    await sleep(5);
    await books.ok({ op: "expire" });
    expect((await books.ok(keyed("p"))).node_id).toBe("p:s1");
    await books.ok(settle("p:s0"));
    await books.refused("duplicate-key", keyed("p"));
  });

  it("asks the newest node of the key", async () => {
    const books = await openBooks();
    await books.ok(keyed("p", { lease_ms: 1 }));
    await sleep(5);
    await books.ok({ op: "expire" }, settle("p:s0"));
    expect(await books.ok(keyed("p"))).toMatchObject({ node_id: "p:s0", existing: true });
  });

  it.each([
    ["label", { label: "other" }],
    ["an amount", { budget: { tokens: 3, usd: "0.5" } }],
    ["a channel", { budget: { tokens: 2 } }],
    ["the way an amount is written", { budget: { tokens: "2", usd: "0.5" } }],
  ])("conflicts when %s differs, however the other one ended", async (_what, change) => {
    const books = await openBooks();
    await books.ok(keyed("p"));
    expect(await books.refused("key-conflict", keyed("p", change))).toEqual({ pool_id: "p", seq: null });
    await books.ok(settle("p:s0", {}, { outcome: "down" }));
    await books.refused("key-conflict", keyed("p", change));
  });

  it("compares budgets as JSON values", async () => {
    const books = await openBooks();
    const text = (tokens: string) =>
      `[{"operation_id": "raw-${tokens}", "op": "spawn", "pool_id": "p", "label": "l", "key": "raw", "budget": {"tokens": ${tokens}}}]`;
    const submit = async (operations: string) =>
      (await books.client.query("call ledger.submit($1, $2, false, null)", [books.tenantId, operations])).rows[0]
        .p_results;
    expect(await submit(text("2"))).toMatchObject([{ status: "ok" }]);
    expect(await submit(text("2.00"))).toMatchObject([{ status: "refused", code: "duplicate-key" }]);
  });

  it("is unique among the children of one parent only", async () => {
    const books = await openBooks();
    await books.ok(spawnDriver("p", "d", { tokens: 50 }), openPool("q", { tokens: 10, usd: "1" }));
    await books.ok(keyed("p"), keyed("d", { budget: { tokens: 1 } }), keyed("q"));
    await books.refused("duplicate-key", keyed("q"));
  });

  it("is answered before everything the pool would refuse", async () => {
    const books = await openBooks();
    await books.ok(keyed("p"), settle("p:s0"), keyed("p", { key: "busy" }), { op: "freeze", pool_id: "p" });
    expect(await books.ok(keyed("p"))).toMatchObject({ existing: true });
    await books.refused("key-conflict", keyed("p", { label: "other" }));
    await books.refused("duplicate-key", keyed("p", { key: "busy" }));
    await books.refused("pool-frozen", keyed("p", { key: "new" }));
    await books.ok(settle("p:s1"), { op: "thaw", pool_id: "p" }, settleDriver("p"));
    expect(await books.ok(keyed("p"))).toMatchObject({ existing: true });
    await books.refused("pool-closed", keyed("p", { key: "new" }));
  });

  it("finds a driver that is done without opening another pool", async () => {
    const books = await openBooks();
    await books.ok(keyed("p", { driver: true }), settleDriver("p:s0"));
    expect(await books.ok(keyed("p", { driver: true }))).toMatchObject({ node_id: "p:s0", existing: true });
    expect(await books.kinds("p:s0")).toEqual(["opened", "closed"]);
  });

  it("holds in one call with the spawn it repeats", async () => {
    const books = await openBooks();
    const answers = await books.apply([
      keyed("p"),
      keyed("p"),
      keyed("p", { label: "other" }),
      settle("p:s0"),
      keyed("p"),
    ]);
    expect(answers.map(({ status, code }) => [status, code])).toEqual([
      ["ok", null],
      ["refused", "duplicate-key"],
      ["refused", "key-conflict"],
      ["ok", null],
      ["ok", null],
    ]);
    expect(answers[4]?.result).toMatchObject({ existing: true, node_id: "p:s0" });
  });

  it("takes no part in a chosen id that differs", async () => {
    const books = await openBooks();
    await books.ok(spawn("p", "a", { tokens: 2, usd: "0.5" }, { label: "l", key: "k" }));
    await books.refused("duplicate-key", keyed("p", { node_id: "b" }));
    await books.ok(settle("a"));
    expect(await books.ok(keyed("p", { node_id: "b" }))).toMatchObject({ node_id: "a", existing: true });
  });
});
