/** The end of a node that owns a pool: its spend is computed. */
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("settle of a driver %s", (way) => {
  it("commits in the parent exactly what its pool committed", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, iterations: 10, usd: "5" }),
      spawnDriver("r", "d", { tokens: 50, iterations: 5, usd: "2" }),
      meter("d", { input_tokens: 5, output_tokens: 5, usd: "0.25" }),
      spawn("d", "a", { tokens: 30, iterations: 1 }),
      settle("a", { iterations: 1, input_tokens: 20, usd: "0.5", usd_known: false }),
    );
    const result = await books.ok(
      settleDriver("d", { verdict: 1, out_ref: "sha256:1", reason: "enough", infra: true }),
    );
    expect(result).toMatchObject({
      pool_id: "r",
      seq: 3,
      spend: {
        iterations: "1",
        input_tokens: "25",
        output_tokens: "5",
        charged_tokens: "30",
        usd: "0.75",
        usd_known: false,
        tokens_known: true,
      },
      violations: [],
    });
    expect(await books.balance("r", "tokens")).toEqual(["70", "0", "30"]);
    expect(await books.channel("r", "usd")).toMatchObject({
      free: "4.25",
      reserved: "0",
      committed: "0.75",
      uncertain: "0.5",
      measured: false,
    });
    expect(await books.channel("d", "usd")).toMatchObject({ total: "0.75", free: "0", committed: "0.75" });
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "settled",
      node_id: "d",
      source_pool_id: "d",
      charged_tokens: "30",
      outcome: "done",
      reason: "enough",
    });
    expect((await books.journal("d")).at(-1)).toMatchObject({ kind: "closed", outcome: "done" });
    expect(await books.node("d")).toMatchObject({
      status: "done",
      verdict: 1,
      out_ref: "sha256:1",
      reason: "enough",
      infra: true,
    });
  });

  it("gives a negative rest back as what it is", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }),
      spawnDriver("p", "d", { tokens: 10 }),
      meter("d", { input_tokens: 13 }),
    );
    const result = await books.ok(settleDriver("d"));
    expect(result).toMatchObject({ violations: [{ channel: "tokens", reserved: "10", spent: "13" }] });
    expect(await books.balance("p", "tokens")).toEqual(["87", "0", "13"]);
    expect(await books.channel("d", "tokens")).toMatchObject({ total: "13", free: "0" });
  });

  it("computes the spend: none may be stated", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawnDriver("p", "d"));
    expect(await books.failed("LG001", settle("d"))).toBe("spend");
    expect(await books.failed("LG001", settle("p"))).toBe("spend");
  });

  it("waits for its children, and ends once", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawnDriver("p", "d"), spawn("d", "a"));
    expect(await books.failed("LG007", settleDriver("d"))).toBe("pool_id");
    expect(await books.failed("LG007", settleDriver("p"))).toBe("pool_id");
    await books.ok(settle("a"), settleDriver("d"));
    expect(await books.failed("LG004", settleDriver("d"))).toBe("node_id");
    await books.ok(settleDriver("p", { outcome: "down" }));
    expect(await books.node("p")).toMatchObject({ status: "down" });
  });

  it("keeps how a run ended", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top"), openRun("r", {}, { parent_pool_id: "top" }), openRun("s"));
    await books.ok(
      settleDriver("r", { outcome: "down", verdict: { ok: false }, out_ref: "o", reason: "no luck", infra: true }),
    );
    await books.ok(settleDriver("s"));
    const text =
      "select outcome, verdict, out_ref, reason, infra from ledger.runs where tenant_id = $1 order by run_id";
    expect(await books.rows(text)).toEqual([
      { outcome: "down", verdict: { ok: false }, out_ref: "o", reason: "no luck", infra: true },
      { outcome: "done", verdict: null, out_ref: null, reason: null, infra: false },
    ]);
  });
});
