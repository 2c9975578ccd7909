/** The truth about a leaf whose expiry was booked already. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, openRun, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("settle of an expired leaf %s", (way) => {
  async function expired(dispatched: boolean) {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, iterations: 10, usd: "1" }),
      spawn("p", "a", { tokens: 40, iterations: 2, usd: "0.5" }, { lease_ms: 1 }),
    );
    if (dispatched) await books.ok({ op: "dispatch", node_id: "a" });
    await sleep(5);
    await books.ok({ op: "expire", pool_id: "p" });
    return books;
  }

  it("books the truth once, as a correction with its outcome", async () => {
    const books = await expired(true);
    expect(await books.balance("p", "tokens")).toEqual(["60", "0", "40"]);
    const result = await books.ok(
      settle("a", { iterations: 1, input_tokens: 25, usd: "0.75" }, { out_ref: "sha256:1" }),
    );
    expect(result).toMatchObject({
      pool_id: "p",
      spend: { input_tokens: "25", usd: "0.75", usd_known: true },
      violations: [{ channel: "usd", reserved: "0.5", spent: "0.75" }],
    });
    expect((await books.journal("p")).at(-1)).toMatchObject({
      kind: "corrected",
      node_id: "a",
      outcome: "done",
      input_tokens: "25",
      charged_tokens: "-15",
      iterations: "-1",
      usd: "0.25",
      uncertain_tokens: "-40",
    });
    expect(await books.channel("p", "tokens")).toMatchObject({
      free: "75",
      committed: "25",
      uncertain: "0",
      measured: true,
    });
    expect(await books.channel("p", "usd")).toMatchObject({
      free: "0.25",
      committed: "0.75",
      uncertain: "0",
      measured: true,
    });
    expect(await books.node("a")).toMatchObject({ status: "done", outcome: "done", out_ref: "sha256:1" });
    expect(await books.failed("LG004", settle("a"))).toBe("node_id");
    expect(await books.failed("LG004", { op: "cancel", node_id: "a", reason: "r" })).toBe("node_id");
  });

  it("books what a leaf spent whose room was given back", async () => {
    const books = await expired(false);
    expect(await books.balance("p", "tokens")).toEqual(["100", "0", "0"]);
    await books.ok(settle("a", { input_tokens: 7, usd: "0" }, { outcome: "down" }));
    expect(await books.balance("p", "tokens")).toEqual(["93", "0", "7"]);
    expect(await books.node("a")).toMatchObject({ status: "down" });
  });

  it("does not deliver it again", async () => {
    const books = await expired(true);
    expect(await books.ok({ op: "deliver", pool_id: "p" })).toMatchObject({
      node_id: "a",
      cursor: 0,
      outcome: "expired",
    });
    await books.ok(settle("a", { input_tokens: 1 }));
    expect(await books.ok({ op: "deliver", pool_id: "p" })).toMatchObject({ node_id: null });
  });

  it("delivers the late outcome where nobody has asked yet", async () => {
    const books = await expired(true);
    await books.ok(settle("a", { input_tokens: 1 }, { out_ref: "sha256:1" }));
    expect(await books.ok({ op: "deliver", pool_id: "p" })).toMatchObject({
      node_id: "a",
      cursor: 0,
      outcome: "done",
      out_ref: "sha256:1",
    });
  });
});

describe.each(WAYS)("settle of an expired leaf whose driver ended %s", (way) => {
  it("goes up through the closed pool", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, usd: "5" }),
      spawnDriver("r", "d", { tokens: 50 }, { lease_ms: 1 }),
      spawn("d", "sent", { tokens: 20, usd: 0 }),
      { op: "dispatch", node_id: "sent" },
      spawn("d", "unsent", { tokens: 10 }),
    );
    await sleep(5);
    await books.ok({ op: "expire" });
    expect(await books.channel("r", "tokens")).toMatchObject({
      free: "80",
      reserved: "0",
      committed: "20",
      uncertain: "20",
    });
    await books.ok(settle("sent", { input_tokens: 4, usd: "0.5" }), settle("unsent", { input_tokens: 3, usd: "0.25" }));
    expect(await books.channel("r", "tokens")).toMatchObject({
      free: "93",
      committed: "7",
      uncertain: "0",
      measured: true,
    });
    expect(await books.channel("r", "usd")).toMatchObject({
      free: "4.25",
      committed: "0.75",
      uncertain: "0",
      measured: true,
    });
    expect(await books.channel("d", "tokens")).toMatchObject({ total: "7", free: "0", committed: "7" });
    for (const id of ["sent", "unsent"]) expect(await books.failed("LG004", settle(id))).toBe("node_id");
  });
});
