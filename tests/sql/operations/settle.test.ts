import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, openRun, settle, spawn, spawnDriver, spend } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("settle of a leaf %s", (way) => {
  it("commits the truth, gives the rest back and answers the spend as booked", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, iterations: 10, usd: "5" }),
      spawn("r", "a", { tokens: 60, iterations: 3, usd: "2" }),
    );
    const result = await books.ok(
      settle(
        "a",
        {
          iterations: 1,
          input_tokens: 30,
          output_tokens: 10,
          cache_read_tokens: 12,
          cache_write_tokens: 3,
          reasoning_tokens: 4,
          usd: "0.120",
          ms: 15,
        },
        {
          verdict: { passed: true },
          out_ref: "sha256:1",
          reason: "found it",
          infra: true,
          provider: "acme",
          model: "large",
        },
      ),
    );
    expect(result).toEqual({
      pool_id: "r",
      seq: 3,
      violations: [],
      spend: {
        iterations: "1",
        input_tokens: "30",
        output_tokens: "10",
        cache_read_tokens: "12",
        cache_write_tokens: "3",
        reasoning_tokens: "4",
        charged_tokens: "40",
        usd: "0.12",
        ms: "15",
        tokens_known: true,
        usd_known: true,
        resources: {},
      },
    });
    expect(await books.balance("r", "tokens")).toEqual(["60", "0", "40"]);
    expect(await books.balance("r", "iterations")).toEqual(["9", "0", "1"]);
    expect(await books.balance("r", "usd")).toEqual(["4.88", "0", "0.12"]);
    const ending = { verdict: { passed: true }, out_ref: "sha256:1", reason: "found it", outcome: "done" };
    expect(await books.node("a")).toMatchObject({ ...ending, status: "done", infra: true });
    expect((await books.journal("r")).at(-1)).toMatchObject({
      ...ending,
      kind: "settled",
      node_id: "a",
      run_id: "r",
      provider: "acme",
      model: "large",
      charged_tokens: "40",
      usd: "0.12",
      cache_read_tokens: "12",
    });
  });

  it("says down of a node that failed, which spent all the same", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), spawn("p", "a", { tokens: 5 }));
    await books.ok(settle("a", { input_tokens: 2 }, { outcome: "down", reason: "crashed" }));
    expect(await books.node("a")).toMatchObject({ status: "down", outcome: "down", reason: "crashed" });
    expect(await books.balance("p", "tokens")).toEqual(["8", "0", "2"]);
  });

  it("books the truth above the hold and names each violation", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10, iterations: 5, usd: "1", zinc: 1, apples: 1 }),
      spawn("p", "a", { tokens: 4, iterations: 0, usd: "0.5", zinc: "0.5", apples: 1 }),
    );
    const { violations } = await books.ok(
      settle("a", {
        iterations: 1,
        input_tokens: 8,
        output_tokens: 8,
        usd: "0.500000000001",
        resources: { zinc: { amount: 2 }, apples: { amount: 1 } },
      }),
    );
    expect(violations).toEqual([
      { channel: "tokens", reserved: "4", spent: "16" },
      { channel: "iterations", reserved: "0", spent: "1" },
      { channel: "usd", reserved: "0.5", spent: "0.500000000001" },
      { channel: "zinc", reserved: "0.5", spent: "2" },
    ]);
    expect(await books.balance("p", "tokens")).toEqual(["-6", "0", "16"]);
    expect(await books.balance("p", "zinc")).toEqual(["-1", "0", "2"]);
    expect(await books.node("a")).toMatchObject({ status: "done" });
  });

  it("charges what was not read from the cache where the tree says so", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }, { token_charge: "uncached" }),
      spawnDriver("p", "d", { tokens: 50 }),
      spawn("d", "a", { tokens: 20 }),
    );
    const result = await books.ok(
      settle("a", { input_tokens: 30, output_tokens: 5, cache_read_tokens: 20, cache_write_tokens: 10 }),
    );
    expect(result).toMatchObject({ spend: { charged_tokens: "15", input_tokens: "30" }, violations: [] });
    expect(await books.balance("d", "tokens")).toEqual(["35", "0", "15"]);
  });

  it.each([
    [{ spend: undefined }, "spend"],
    [{ outcome: "cancelled" }, "outcome"],
    [{ outcome: undefined }, "outcome"],
    [{ spend: {} }, "spend.iterations"],
    [{ spend: { iterations: 0, input_tokens: 0, output_tokens: 0 } }, "spend.usd"],
    [{ spend: { iterations: 0, input_tokens: 0, output_tokens: 0, usd_known: true } }, "spend.usd"],
    [{ spend: spend({ usd: null }) }, "spend.usd"],
    [{ spend: spend({ usd: "-0.1" }) }, "spend.usd"],
    [{ spend: spend({ input_tokens: -1 }) }, "spend.input_tokens"],
    [{ spend: spend({ input_tokens: 5, cache_read_tokens: 3, cache_write_tokens: 3 }) }, "spend.cache_read_tokens"],
    [{ spend: spend({ output_tokens: 1, reasoning_tokens: 2 }) }, "spend.reasoning_tokens"],
    [{ spend: spend({ tokens: 5 }) }, "spend.tokens"],
    [{ spend: spend({ resources: { gpu: 1 } }) }, "spend.resources.gpu"],
    [{ spend: spend({ resources: { gpu: { amount: -1 } } }) }, "spend.resources.gpu.amount"],
    [{ spend: spend({ resources: { gpu: { amount: 1, uncertain: 1 } } }) }, "spend.resources.gpu.uncertain"],
    [{ spend: spend({ resources: { usd: { amount: 1 } } }) }, "spend.resources.usd"],
    [{ spend: spend({ resources: { tokens: { amount: 1 } } }) }, "spend.resources.tokens"],
    [{ purpose: "fun" }, "purpose"],
    [{ verdict: null }, "verdict"],
    [{ pool_id: "p" }, "pool_id"],
  ])("does not take %j", async (change, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"));
    expect(await books.failed("LG001", { ...settle("a"), ...change })).toBe(path);
    expect(await books.node("a")).toMatchObject({ status: "pending" });
  });

  it("ends a node that exists, once", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), spawn("p", "a", { tokens: 5 }));
    expect(await books.failed("LG003", settle("nobody"))).toBe("node_id");
    await books.ok(settle("a", { input_tokens: 1 }));
    expect(await books.failed("LG004", settle("a", { input_tokens: 1 }))).toBe("node_id");
    expect(await books.failed("LG004", settle("a", { input_tokens: 2 }, { outcome: "down" }))).toBe("node_id");
    expect(await books.balance("p", "tokens")).toEqual(["9", "0", "1"]);
  });

  it("is booked in a frozen pool, and in one past its deadline", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }, { deadline_ms: 200 }), spawn("p", "a", { tokens: 5 }), {
      op: "freeze",
      pool_id: "p",
    });
    await sleep(210);
    await books.ok(settle("a", { input_tokens: 5 }));
    expect(await books.balance("p", "tokens")).toEqual(["5", "0", "5"]);
  });
});
