import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settle, spawn, spawnDriver, spend } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const cancel = (nodeId: string, more = {}) => ({ op: "cancel", node_id: nodeId, reason: "not needed", ...more });

describe.each(WAYS)("cancel %s", (way) => {
  async function openBooks(
    budget: Record<string, number | string> = { tokens: 40, iterations: 2, usd: "0.5", gpu: 3 },
  ) {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100, iterations: 10, usd: "2", gpu: 10 }), spawn("p", "a", budget));
    return books;
  }

  it("books the spend it is given", async () => {
    const books = await openBooks();
    const result = await books.ok(cancel("a", { spend: spend({ input_tokens: 50, usd: "0.1" }), provider: "acme" }));
    expect(result).toMatchObject({
      spend: { charged_tokens: "50", usd: "0.1" },
      violations: [{ channel: "tokens", reserved: "40", spent: "50" }],
    });
    expect(await books.balance("p", "tokens")).toEqual(["50", "0", "50"]);
    expect(await books.node("a")).toMatchObject({ status: "cancelled", outcome: "cancelled", reason: "not needed" });
    expect((await books.journal("p")).at(-1)).toMatchObject({
      kind: "cancelled",
      outcome: "cancelled",
      reason: "not needed",
      provider: "acme",
    });
  });

  it("gives everything back where nothing was dispatched: a known zero", async () => {
    const books = await openBooks();
    expect(await books.ok(cancel("a"))).toMatchObject({
      spend: { charged_tokens: "0", usd: "0", tokens_known: true, usd_known: true },
      violations: [],
    });
    expect(await books.channel("p", "tokens")).toMatchObject({ free: "100", committed: "0", measured: true });
    expect(await books.balance("p", "gpu")).toEqual(["10", "0", "0"]);
  });

  it("charges the declared ceilings as uncertain where the provider may have billed", async () => {
    const books = await openBooks();
    await books.ok({ op: "dispatch", node_id: "a" });
    expect(await books.ok(cancel("a"))).toMatchObject({
      spend: {
        iterations: "2",
        input_tokens: "0",
        charged_tokens: "40",
        usd: "0.5",
        tokens_known: false,
        usd_known: false,
        resources: { gpu: { amount: "3" } },
      },
      violations: [],
    });
    const ceiling = (free: string, committed: string) => ({
      free,
      reserved: "0",
      committed,
      uncertain: committed,
      measured: false,
      sealed: false,
    });
    expect(await books.channel("p", "tokens")).toMatchObject(ceiling("60", "40"));
    expect(await books.channel("p", "iterations")).toMatchObject(ceiling("8", "2"));
    expect(await books.channel("p", "usd")).toMatchObject(ceiling("1.5", "0.5"));
    expect(await books.channel("p", "gpu")).toMatchObject(ceiling("7", "3"));
  });

  it("seals the dollars that were dispatched without a ceiling", async () => {
    const books = await openBooks({ tokens: 40, iterations: 2 });
    await books.ok({ op: "dispatch", node_id: "a" });
    expect(await books.ok(cancel("a"))).toMatchObject({ spend: { usd: null, usd_known: false } });
    expect(await books.channel("p", "usd")).toMatchObject({ free: "0", committed: "2", uncertain: "2", sealed: true });
    expect(await books.channel("p", "gpu")).toMatchObject({ free: "10", measured: true });
  });

  it("computes what a driver spent, and ends a run as cancelled", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100 }),
      spawnDriver("r", "d", { tokens: 30 }),
      meter("d", { input_tokens: 7 }),
      spawn("d", "a", { tokens: 5 }),
    );
    expect(await books.failed("LG001", cancel("d", { spend: spend() }))).toBe("spend");
    expect(await books.failed("LG007", cancel("d"))).toBe("pool_id");
    await books.ok(cancel("a"));
    expect(await books.ok(cancel("d"))).toMatchObject({
      pool_id: "r",
      spend: { charged_tokens: "7" },
    });
    expect(await books.node("d")).toMatchObject({ status: "cancelled" });
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "cancelled",
      node_id: "d",
      source_pool_id: "d",
      reason: "not needed",
    });
    expect(await books.failed("LG004", cancel("d"))).toBe("node_id");
    await books.ok(cancel("r"));
    expect(await books.row("select outcome, reason from ledger.runs where tenant_id = $1")).toEqual({
      outcome: "cancelled",
      reason: "not needed",
    });
    expect(await books.failed("LG004", cancel("r"))).toBe("node_id");
  });

  it("ends an expired leaf late: with a spend its truth, without one what was charged already", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }),
      ...["a", "b", "c"].map((id) => spawn("p", id, { tokens: 10 }, { lease_ms: 1 })),
      { op: "dispatch", node_id: "a" },
      { op: "dispatch", node_id: "b" },
    );
    await sleep(5);
    await books.ok({ op: "expire" });
    expect(await books.balance("p", "tokens")).toEqual(["80", "0", "20"]);
    await books.ok(cancel("a", { spend: spend({ input_tokens: 4 }) }), cancel("b"), cancel("c"));
    expect(await books.channel("p", "tokens")).toMatchObject({
      free: "86",
      committed: "14",
      uncertain: "10",
      measured: false,
    });
    for (const id of ["a", "b", "c"]) {
      expect(await books.node(id)).toMatchObject({ status: "cancelled" });
      expect(await books.failed("LG004", settle(id))).toBe("node_id");
    }
    expect((await books.kinds("p")).slice(-3)).toEqual(["corrected", "corrected", "corrected"]);
  });

  it.each([
    [{ reason: undefined }, "reason"],
    [{ reason: 5 }, "reason"],
    [{ outcome: "done" }, "outcome"],
    [{ spend: { usd: 0 } }, "spend.iterations"],
  ])("does not take %j", async (change, path) => {
    const books = await openBooks();
    expect(await books.failed("LG001", cancel("a", change))).toBe(path);
  });

  it("needs a node", async () => {
    const books = await ledger.open(way);
    expect(await books.failed("LG003", cancel("nobody"))).toBe("node_id");
  });
});
