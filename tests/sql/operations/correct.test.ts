import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spend } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe.each(WAYS)("correct %s", (way) => {
  it("books the difference to the truth, which may be negative", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100, iterations: 5, usd: "1" }),
      meter(
        "r",
        { iterations: 2, input_tokens: 30, output_tokens: 10, cache_read_tokens: 20, usd: "0.5" },
        { operation_id: "m", provider: "acme", model: "large", purpose: "turn" },
      ),
    );
    const result = await books.ok(
      correct("m", { iterations: 1, input_tokens: 10, output_tokens: 15, usd: "0.75" }, { reason: "invoice" }),
    );
    expect(result).toEqual({ pool_id: "r", seq: 3 });
    expect(await books.balance("r", "tokens")).toEqual(["75", "0", "25"]);
    expect(await books.balance("r", "iterations")).toEqual(["4", "0", "1"]);
    expect(await books.balance("r", "usd")).toEqual(["0.25", "0", "0.75"]);
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "corrected",
      node_id: "r",
      reason: "invoice",
      provider: "acme",
      model: "large",
      purpose: "turn",
      corrects_seq: "2",
      iterations: "-1",
      input_tokens: "-20",
      output_tokens: "5",
      cache_read_tokens: "-20",
      charged_tokens: "-15",
      usd: "0.25",
    });
  });

  it("releases what an estimate, a ceiling and an expiry left uncertain", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, usd: "5" }),
      meter("p", { usd: "1", usd_known: false }, { operation_id: "estimate" }),
      spawn("p", "a", { tokens: 5, usd: "0.5" }),
      settle("a", { usd_known: false }, { operation_id: "ceiling" }),
      spawn("p", "b", { tokens: 20, usd: "0.25" }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "b" },
    );
    await sleep(5);
    await books.ok({ op: "expire", operation_id: "expiry" });
    expect(await books.channel("p", "usd")).toMatchObject({
      free: "3.25",
      committed: "1.75",
      uncertain: "1.75",
      measured: false,
    });
    await books.ok(correct("estimate", { usd: "1.25" }));
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "2", uncertain: "0.75", measured: false });
    await books.ok(correct("ceiling", { usd: "0.1" }));
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "1.6", uncertain: "0.25", measured: false });
    await books.ok(correct("expiry", { input_tokens: 3, usd: "0" }));
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "1.35", uncertain: "0", measured: true });
    expect(await books.channel("p", "tokens")).toMatchObject({
      free: "97",
      committed: "3",
      uncertain: "0",
      measured: true,
    });
    expect(await books.node("b")).toMatchObject({ status: "expired" });
  });

  it("opens the channel when the last unknown event is known, here and at the payer", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { usd: "10" }),
      openRun("r", {}, { parent_pool_id: "top" }),
      meter("r", { usd_known: false }, { operation_id: "one" }),
      meter("r", { usd_known: false }, { operation_id: "two" }),
    );
    await books.ok(correct("one", { usd: "1" }));
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "0",
      committed: "10",
      uncertain: "9",
      sealed: true,
    });
    await books.refused("usd-sealed", spawn("r", "x"));
    await books.ok(correct("two", { usd: "2" }));
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "7",
      committed: "3",
      uncertain: "0",
      sealed: false,
      measured: true,
    });
    expect(await books.channel("r", "usd")).toMatchObject({ committed: "3", measured: true });
    await books.ok(spawn("r", "x"));
  });

  it("may make known what was unknown an unknown again", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 10, usd: "4" }),
      meter("p", { input_tokens: 1, usd: "1" }, { operation_id: "m" }),
    );
    await books.ok(correct("m", { input_tokens: 1, usd_known: false, tokens_known: false }));
    expect(await books.channel("p", "usd")).toMatchObject({ free: "0", committed: "4", uncertain: "4", sealed: true });
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "1", measured: false });
    await books.ok(correct("m", { input_tokens: 2, usd: "3", usd_known: false }));
    expect(await books.channel("p", "usd")).toMatchObject({
      free: "1",
      committed: "3",
      uncertain: "3",
      sealed: false,
      measured: false,
    });
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "2", measured: true });
  });

  it("can be corrected itself: of names the first operation, and what counts is the last truth", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, usd: "5" }),
      spawn("p", "a", { tokens: 50 }),
      settle("a", { input_tokens: 10, usd: "1" }, { operation_id: "s" }),
    );
    await books.ok(correct("s", { input_tokens: 30, usd: "2" }, { operation_id: "c" }));
    await books.ok(correct("s", { input_tokens: 20, usd: "0.5" }));
    expect(await books.balance("p", "tokens")).toEqual(["80", "0", "20"]);
    expect(await books.balance("p", "usd")).toEqual(["4.5", "0", "0.5"]);
    expect((await books.journal("p")).slice(-2)).toMatchObject([
      { charged_tokens: "20", usd: "1", corrects_seq: "3" },
      { charged_tokens: "-10", usd: "-1.5", corrects_seq: "3" },
    ]);
    expect(await books.failed("LG001", correct("c"))).toBe("of");
  });

  it("judges the truth like the original: charge unit and declared ceiling", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, usd: "5" }, { token_charge: "uncached" }),
      spawn("p", "a", { tokens: 50, usd: "2" }),
      settle("a", { input_tokens: 10, usd: "1" }, { operation_id: "s" }),
    );
    await books.ok(correct("s", { input_tokens: 30, cache_read_tokens: 25, usd_known: false }));
    expect(await books.balance("p", "tokens")).toEqual(["95", "0", "5"]);
    expect(await books.channel("p", "usd")).toMatchObject({ free: "3", committed: "2", uncertain: "2", sealed: false });
  });

  it("corrects resources, new ones too", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { gpu: 10 }),
      meter("p", { resources: { gpu: { amount: 4 }, pages: { amount: 2 } } }, { operation_id: "m" }),
    );
    await books.ok(correct("m", { resources: { gpu: { amount: "1.5" }, mails: { amount: 1 } } }));
    expect(await books.balance("p", "gpu")).toEqual(["8.5", "0", "1.5"]);
    expect(await books.channel("p", "pages")).toMatchObject({ committed: "0" });
    expect(await books.channel("p", "mails")).toMatchObject({ committed: "1" });
  });

  it("corrects what was cancelled, with or without a spend", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100 }),
      spawn("p", "a", { tokens: 10 }),
      spawn("p", "b", { tokens: 10 }),
      { op: "cancel", node_id: "a", reason: "r", operation_id: "a-ends" },
      { op: "cancel", node_id: "b", reason: "r", spend: spend({ input_tokens: 9 }), operation_id: "b-ends" },
    );
    await books.ok(correct("a-ends", { input_tokens: 4 }), correct("b-ends", { input_tokens: 2 }));
    expect(await books.balance("p", "tokens")).toEqual(["94", "0", "6"]);
    expect(await books.node("a")).toMatchObject({ status: "cancelled" });
  });

  it("corrects what an expired leaf was settled with late, by that operation or by the expiry", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100, usd: "1" }), spawn("p", "a", { tokens: 40 }, { lease_ms: 1 }), {
      op: "dispatch",
      node_id: "a",
    });
    await sleep(5);
    await books.ok(
      { op: "expire", operation_id: "expiry" },
      settle("a", { input_tokens: 10 }, { operation_id: "late" }),
    );
    await books.ok(correct("late", { input_tokens: 12 }));
    expect(await books.balance("p", "tokens")).toEqual(["88", "0", "12"]);
    await books.ok(correct("expiry", { input_tokens: 15 }));
    expect(await books.channel("p", "tokens")).toMatchObject({
      free: "85",
      committed: "15",
      uncertain: "0",
      measured: true,
    });
    expect(await books.channel("p", "usd")).toMatchObject({ sealed: false, measured: true, free: "1" });
  });

  it("leaves the late settlement its turn", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100 }), spawn("p", "a", { tokens: 40 }, { lease_ms: 1 }), {
      op: "dispatch",
      node_id: "a",
    });
    await sleep(5);
    await books.ok(
      { op: "expire", operation_id: "expiry" },
      correct("expiry", { input_tokens: 10 }),
      settle("a", { input_tokens: 11 }),
    );
    expect(await books.balance("p", "tokens")).toEqual(["89", "0", "11"]);
    expect(await books.node("a")).toMatchObject({ status: "done" });
    expect(await books.failed("LG004", settle("a"))).toBe("node_id");
  });

  it("keeps what the correction was of apart from other corrections of the node", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100 }));
    for (const id of ["m1", "m2"]) await books.ok(meter("p", { input_tokens: 10 }, { operation_id: id }));
    await books.ok(
      correct("m1", { input_tokens: 1 }),
      correct("m2", { input_tokens: 2 }),
      correct("m1", { input_tokens: 5 }),
    );
    expect(await books.balance("p", "tokens")).toEqual(["93", "0", "7"]);
  });

  it("is booked in a frozen pool and in a closed top pool", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 10 }), meter("p", { input_tokens: 5 }, { operation_id: "m" }), {
      op: "freeze",
      pool_id: "p",
    });
    await books.ok(correct("m", { input_tokens: 6 }), settleDriver("p"), correct("m", { input_tokens: 20 }));
    expect(await books.channel("p", "tokens")).toMatchObject({ total: "10", free: "-10", committed: "20" });
  });
});
