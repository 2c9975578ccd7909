/** One call of a model as a leaf of its pool: what is reserved, what is booked, what is refused before anything is sent. */
import { createHash } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { beginCall } from "../../src/metering/metered-call.js";
import { useClients } from "../ledger/client.js";
import { answer, asked, budgets, lastRow, PRICES, rows } from "./calls.js";

const clients = useClients();

describe("a metered call", () => {
  it("is reserved, dispatched and settled with what was said of it", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000, iterations: 3, usd: 1 }, { poolId: "p" });
    const told = { ...asked, toolResults: [{ id: "c0", status: "error" as const }] };
    const call = await beginCall(pool, told, { perCall: { usd: "0.10" }, tags: { team: "a" } });
    expect(call.nodeId).toBe("p:s0");
    expect(await pool.readout()).toMatchObject({ tokensLeft: 8_500, iterationsLeft: 2, usdLeft: "0.9" });
    const long = "x".repeat(201);
    await call.answered({
      spend: { input_tokens: 200, output_tokens: 50, cache_read_tokens: 100, usd: "0.02" },
      model: "gpt-5-2025-08-07",
      providerRequestId: "chatcmpl-1",
      tools: [
        { name: "search", id: "c1", arguments: { q: "x", limit: 1.0 } },
        { name: "search", id: "c2", arguments: { limit: 1, q: "x" }, status: "ok" },
        { name: "no\nname", id: long, arguments: Number.NaN },
      ],
      complete: true,
    });
    // Its end is its end.
    await call.failed("again");
    await call.answered(answer);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 9_750, iterationsLeft: 2, usdLeft: "0.98" });
    const journal = await rows(ledger, pool);
    expect(journal.map(({ kind }) => kind)).toEqual(["spawned", "dispatched", "settled"]);
    const digest = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
    expect(journal[2]).toMatchObject({
      node_id: "p:s0",
      outcome: "done",
      provider: "openai",
      model: "gpt-5-2025-08-07",
      provider_request_id: "chatcmpl-1",
      purpose: "turn",
      iterations: "1",
      input_tokens: "200",
      output_tokens: "50",
      cache_read_tokens: "100",
      usd: "0.02",
      tokens_known: true,
      usd_known: true,
      tags: { team: "a" },
      tool_calls: [
        { name: "search", id: "c1", arguments: digest('{"limit":1,"q":"x"}') },
        { name: "search", id: "c2", arguments: digest('{"limit":1,"q":"x"}'), status: "ok" },
        // What the ledger takes for no name stands there by its digest, what has no JSON form is not told.
        { name: digest("no\nname"), id: digest(long) },
      ],
      detail: { tool_results: [{ id: "c0", status: "error" }] },
    });
    expect(
      await ledger.db.selectFrom("nodes").select(["label", "runtime"]).where("node_id", "=", "p:s0").execute(),
    ).toEqual([{ label: "gpt-5", runtime: "model-call" }]);
  });

  it("is refused with what is short, before it is made", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 1_499, iterations: 3, usd: 1 }, { poolId: "p" });
    await expect(beginCall(pool, asked, { perCall: { usd: 2 } })).rejects.toMatchObject({
      name: "CallRefusedError",
      message:
        "the call of gpt-5 was not made: budget-exhausted; tokens: 1500 asked, 1499 left; usd: 2 asked, 1 left (pool p)",
      code: "budget-exhausted",
      poolId: "p",
      model: "gpt-5",
      retryable: false,
      shortfall: [
        { channel: "tokens", requested: "1500", free: "1499" },
        { channel: "usd", requested: "2", free: "1" },
      ],
    });
    await pool.close();
    await expect(beginCall(pool, asked, { perCall: { usd: 0 } })).rejects.toMatchObject({
      code: "pool-closed",
      shortfall: [],
    });
    expect(await rows(ledger, pool)).toMatchObject([{ kind: "closed" }]);
  });

  it("holds as much as its prompt, its answer and the tenant's prices say, unless it is told", async () => {
    const ledger = await clients.open();
    await ledger.putPrices("b", PRICES);
    await ledger.usePrices("b");
    const pool = await ledger.openPool({ tokens: 100_000, iterations: 20, usd: 1 }, { poolId: "p" });
    const { maxOutputTokens: _, ...open } = asked;
    await beginCall(pool, asked, {});
    await beginCall(pool, { ...open, attachments: 2 }, {});
    await beginCall(pool, asked, { perCall: { tokens: 10, usd: undefined } });
    await beginCall(pool, asked, {
      perCall: ({ model, promptBytes }) => ({ usd: model === "gpt-5" ? promptBytes / 1e4 : 9 }),
    });
    expect(await budgets(ledger)).toEqual([
      { tokens: 1_500, iterations: 1, usd: "0.006" },
      { tokens: 1_000 + 2 * 4_000 + 4_096, iterations: 1, usd: "0.04996" },
      { tokens: 10, iterations: 1, usd: "0.006" },
      { tokens: 1_500, iterations: 1, usd: "0.1" },
    ]);
  });

  it("does not begin where dollars are capped and nobody knows its price", async () => {
    const ledger = await clients.open();
    const month = await ledger.openPool({ usd: 10 }, { poolId: "month" });
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p", parentPoolId: "month" });
    for (const capped of [month, pool]) {
      await expect(beginCall(capped, asked, {})).rejects.toMatchObject({
        code: "LG001",
        detail: { path: "perCall.usd" },
        message: expect.stringMatching(
          /price of openai gpt-5.*state what one call may cost, or put the price into the book/,
        ),
      });
    }
    expect(await rows(ledger, pool)).toEqual([]);
    // A pool that caps no dollars can hold none: what is stated is known to be wanted, and the pool above pays.
    const call = await beginCall(pool, asked, { perCall: { usd: 2 } });
    expect(await budgets(ledger)).toEqual([{ tokens: 10_000 }, { tokens: 1_500 }]);
    await call.answered(answer);
    expect(await month.readout()).toMatchObject({ usdLeft: "9.98", usdKnown: true });
    await pool.close();
  });

  it("names no channel that nobody caps", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({}, { poolId: "p" });
    const call = await beginCall(pool, asked, { perCall: { usd: 2 } });
    await (await beginCall(pool, asked, { perCall: { iterations: 1 } })).answered(answer);
    await call.answered({ ...answer, complete: false });
    expect(await budgets(ledger)).toEqual([{}, { iterations: 1 }]);
    expect(await lastRow(ledger, pool)).toMatchObject({ outcome: "done", reason: "not read to its end", usd: "0.02" });
  });

  it("used nothing where the provider did not take it, and an unknown amount where it broke", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000, iterations: 5, usd: 1 }, { poolId: "p" });
    const options = { perCall: { usd: "0.25" } };
    await (await beginCall(pool, asked, options)).failed("APICallError 429", undefined, true);
    expect(await lastRow(ledger, pool)).toMatchObject({
      outcome: "down",
      purpose: "failed",
      reason: "APICallError 429",
      input_tokens: "0",
      usd: "0",
      tokens_known: true,
      usd_known: true,
    });
    expect(await pool.readout()).toMatchObject({ tokensLeft: 10_000, usdLeft: "1", iterationsLeft: 4 });
    const part = { spend: { input_tokens: 200, output_tokens: 1, tokens_known: false }, tools: [], complete: false };
    await (await beginCall(pool, asked, options)).failed("TypeError", part);
    expect(await lastRow(ledger, pool)).toMatchObject({
      outcome: "down",
      input_tokens: "200",
      output_tokens: "1",
      tokens_known: false,
      usd_known: false,
      uncertain_usd: "0.25",
    });
    expect(await pool.readout()).toMatchObject({
      tokensLeft: 9_799,
      tokensKnown: false,
      usdLeft: "0.75",
      usdKnown: false,
    });
    await (await beginCall(pool, asked, options)).failed("TypeError");
    expect(await lastRow(ledger, pool)).toMatchObject({
      input_tokens: "0",
      tokens_known: false,
      uncertain_usd: "0.25",
    });
  });

  it("is charged its ceilings when its lease has passed, corrected by its end, and then settled for good", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000, usd: 1 }, { poolId: "p" });
    const heard: unknown[] = [];
    const options = { perCall: { usd: "0.25" }, leaseMs: 1, onBookingError: (error: unknown) => heard.push(error) };
    const call = await beginCall(pool, asked, options);
    const expire = () => ledger.apply([{ op: "expire", operation_id: crypto.randomUUID(), pool_id: "p" }]);
    while ((await expire())[0]?.result.expired?.length !== 1);
    expect(await pool.readout()).toMatchObject({ usdLeft: "0.75", usdKnown: false });
    await call.answered(answer);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 9_750, usdLeft: "0.98", usdKnown: true });
    expect((await rows(ledger, pool)).map(({ kind }) => kind)).toEqual([
      "spawned",
      "dispatched",
      "expired",
      "corrected",
    ]);
    expect(heard).toEqual([]);
    const other = await beginCall(pool, asked, { ...options, leaseMs: 60_000 });
    await pool.cancel(
      { nodeId: other.nodeId },
      { reason: "by another hand", spend: { iterations: 1, ...answer.spend } },
    );
    await other.answered(answer);
    expect(heard).toMatchObject([{ code: "LG004" }]);
  });

  it("is not the program's trouble where it cannot be booked", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const throwing = (): never => {
      throw new RangeError("of the listener");
    };
    const silent = await beginCall(pool, asked, {});
    const loud = await beginCall(pool, asked, { onBookingError: throwing });
    await ledger.close();
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    await silent.answered(answer);
    await loud.answered(answer);
    expect(warning.mock.calls).toEqual([
      [
        "model call p:s0 was made and could not be booked, its lease ends it: ledger_closed: the ledger is closed",
        { code: "AGENT_LEDGER_UNBOOKED" },
      ],
      [expect.stringMatching(/p:s1 .*RangeError: of the listener$/), { code: "AGENT_LEDGER_UNBOOKED" }],
    ]);
    warning.mockRestore();
  });

  it("is booked under the name that has a price", async () => {
    const ledger = await clients.open();
    await ledger.putPrices("b", PRICES);
    await ledger.usePrices("b");
    const pool = await ledger.openPool({ usd: 1 }, { poolId: "p" });
    const spend = { input_tokens: 200, output_tokens: 50 };
    const settled = async (model: string, answered: string, usd?: string) => {
      const call = await beginCall(pool, { ...asked, model }, { perCall: { usd: "0.1" } });
      await call.answered({ ...answer, spend: { ...spend, usd }, model: answered });
      const { model: booked, detail, uncertain_usd } = (await lastRow(ledger, pool)) ?? {};
      return [booked, detail, uncertain_usd];
    };
    const named = { price_book: "b", answered_as: "gpt-5-2025-08-07" };
    for (let again = 0; again < 2; again += 1) {
      expect(await settled("gpt-5", "gpt-5-2025-08-07")).toEqual(["gpt-5", named, "0.0007"]);
    }
    // A deployment of one's own answers as the model that it is.
    expect(await settled("mine", "gpt-5")).toEqual(["gpt-5", { price_book: "b" }, "0.0007"]);
    expect(await settled("mine", "other")).toEqual(["other", null, "0.1"]);
    expect(await settled("gpt-5", "gpt-5-2025-08-07", "0.01")).toEqual(["gpt-5-2025-08-07", null, "0"]);
    // By the prices of now, whatever they were before.
    await ledger.putPrices(
      "c",
      PRICES.map((price) => ({ ...price, model: "other" })),
    );
    await ledger.usePrices("c");
    expect(await settled("other", "gpt-5-2025-08-07")).toEqual([
      "other",
      { price_book: "c", answered_as: "gpt-5-2025-08-07" },
      "0.0007",
    ]);
    expect(await settled("mine", "other")).toEqual(["other", { price_book: "c" }, "0.0007"]);
  });

  it("refuses malformed options before anything is reserved", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000, usd: 1 }, { poolId: "p" });
    for (const [options, path, rule] of [
      [{ perCall: { max_tokens: 1 } }, "options.perCall.max_tokens", /write tokens/],
      [{ perCall: { usd: -1 } }, "options.perCall.usd", /must not be negative/],
      [{ perCall: 3 }, "options.perCall", /must be ceilings by channel/],
      [{ perCall: () => ({ usd: "much" }) }, "perCall.usd", /must be a number or a decimal text/],
      [{ perCall: async () => ({ usd: 1 }) }, "perCall", /not a promise of them/],
      [{ leaseMs: 0.5 }, "options.leaseMs", /whole number/],
      [{ leaseMs: 2 ** 40 }, "options.leaseMs", /2592000000/],
      [{ onBookingError: "x" }, "options.onBookingError", /must be a function/],
      [{ lease: 1 }, "options", /lease/],
    ] as const) {
      await expect(beginCall(pool, asked, options as never)).rejects.toMatchObject({
        code: "LG001",
        detail: { path },
        message: expect.stringMatching(rule),
      });
    }
    for (const maxOutputTokens of [Number.NaN, 1.5, -1, Number.POSITIVE_INFINITY]) {
      await expect(beginCall(pool, { ...asked, maxOutputTokens }, {})).rejects.toMatchObject({
        code: "LG001",
        detail: { path: "maxOutputTokens" },
      });
    }
    expect(await rows(ledger, pool)).toEqual([]);
  });
});
