/** What a program waits for: not for a ledger that is silent, and for no longer than it wants the call. */
import { describe, expect, it, vi } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { beginCall } from "../../src/metering/metered-call.js";
import { until } from "../concurrency/sessions.js";
import { useClients } from "../ledger/client.js";
import { answer, asked, lastRow, PRICES, rows } from "./calls.js";

const clients = useClients();

/** Keeps every write of the pool waiting, until the function that it answers is called. */
async function silenced(ledger: Ledger, poolId: string): Promise<() => Promise<void>> {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let silent = (): void => {};
  const begun = new Promise<void>((resolve) => {
    silent = resolve;
  });
  const held = clients.again(ledger).withTransaction({ pools: [poolId] }, () => {
    silent();
    return released;
  });
  await begun;
  return () => {
    release();
    return held;
  };
}

describe("an answer that the ledger is silent on", () => {
  it("is given to the program after ten seconds, and booked when that is possible", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const call = await beginCall(pool, asked, {});
    const speak = await silenced(ledger, "p");
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const events: string[] = [];
    const ended = call.answered(answer).then(() => events.push("answered"));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(events).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    await ended;
    vi.useRealTimers();
    expect(await lastRow(ledger, pool)).toMatchObject({ kind: "dispatched" });
    await speak();
    await until(async () => (await lastRow(ledger, pool))?.kind === "settled", "it is booked");
    expect(await lastRow(ledger, pool)).toMatchObject({ usd: "0.02", input_tokens: "200" });
  });

  it("is booked under the name that was asked for where prices cannot be looked up in time", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const told = { ...answer, spend: { input_tokens: 200, output_tokens: 50 }, model: "gpt-5-2025-08-07" };
    const broken = [() => new Promise<never>(() => {}), () => Promise.reject(new Error("no connection"))];
    for (const estimate of broken) {
      const call = await beginCall(pool, asked, {});
      vi.spyOn(pool, "estimate").mockImplementation(estimate);
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const ended = call.answered(told);
      await vi.advanceTimersByTimeAsync(2_000);
      vi.useRealTimers();
      await ended;
      expect(await lastRow(ledger, pool)).toMatchObject({
        kind: "settled",
        model: "gpt-5",
        detail: { answered_as: "gpt-5-2025-08-07" },
      });
    }
  });

  it("that comes in a transaction on its pool is booked after that", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const unbooked: unknown[] = [];
    const call = await beginCall(pool, asked, { onBookingError: (error) => unbooked.push(error) });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await ledger.withTransaction({ pools: ["p"] }, async () => {
      const ended = call.answered(answer);
      await vi.advanceTimersByTimeAsync(10_000);
      await ended;
    });
    vi.useRealTimers();
    await until(async () => (await lastRow(ledger, pool))?.kind === "settled", "it is booked");
    expect(unbooked).toEqual([]);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 9_750, reservedTokens: 0 });
  });
});

describe("a call that is given up", () => {
  it("while the ledger is silent ends at once, and holds and costs nothing", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const given = new Error("given up");
    const none = AbortSignal.abort(given);
    await expect(beginCall(pool, asked, {}, none)).rejects.toBe(given);
    expect(await rows(ledger, pool)).toEqual([]);
    // Who caps it is known, so that it is reserved next.
    await pool.caps();
    const speak = await silenced(ledger, "p");
    const program = new AbortController();
    const begun = beginCall(pool, asked, {}, program.signal);
    setImmediate(() => program.abort(given));
    await expect(begun).rejects.toBe(given);
    await speak();
    await until(async () => (await lastRow(ledger, pool))?.kind === "cancelled", "its room is back");
    expect((await rows(ledger, pool)).map(({ kind }) => kind)).toEqual(["spawned", "cancelled"]);
    expect(await lastRow(ledger, pool)).toMatchObject({ reason: "not sent", tokens_known: true, usd: "0" });
    expect(await pool.readout()).toMatchObject({ tokensLeft: 10_000, reservedTokens: 0 });
  });

  it("while its dispatch is on the way, or whose dispatch is lost, has cost nothing, and that is known", async () => {
    const ledger = await clients.open();
    await ledger.openPool({ usd: 10 }, { poolId: "month" });
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p", parentPoolId: "month" });
    const dispatch = pool.dispatch.bind(pool);
    const given = new Error("given up");
    const program = new AbortController();
    const afterwards = [
      () => program.abort(given),
      () => {
        throw given;
      },
    ];
    for (const [count, happen] of afterwards.entries()) {
      pool.dispatch = async (ticket) => {
        await dispatch(ticket);
        happen();
      };
      await expect(beginCall(pool, asked, { perCall: { usd: 1 } }, program.signal)).rejects.toBe(given);
      const cancelled = async () => (await rows(ledger, pool)).filter(({ kind }) => kind === "cancelled").length;
      await until(async () => (await cancelled()) === count + 1, "its room is back");
      if (count === 0) Object.defineProperty(program, "signal", { value: undefined });
    }
    expect(await pool.readout()).toMatchObject({ tokensLeft: 10_000, tokensKnown: true });
    expect(await ledger.pool("month").readout()).toMatchObject({ usdLeft: "10", usdKnown: true });
  });

  it("just before the ledger is closed leaves no hold", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p" });
    const again = clients.again(ledger);
    const program = new AbortController();
    const dispatch = pool.dispatch.bind(pool);
    pool.dispatch = (ticket) => {
      const sent = dispatch(ticket);
      program.abort();
      return sent;
    };
    await expect(beginCall(pool, asked, {}, program.signal)).rejects.toThrow();
    await ledger.close();
    expect(await again.pool("p").readout()).toMatchObject({ tokensLeft: 10_000, reservedTokens: 0 });
  });
});

describe("dollars that only a pool above caps", () => {
  it("are an estimate of what the call costs at most where they stay unknown, and seal nothing", async () => {
    const ledger = await clients.open();
    await ledger.putPrices("b", PRICES);
    await ledger.usePrices("b");
    const month = await ledger.openPool({ usd: 10 }, { poolId: "month" });
    const pool = await ledger.openPool({ tokens: 10_000 }, { poolId: "p", parentPoolId: "month" });
    const settled = async (how: object, spend: object) => {
      const call = await beginCall(pool, { ...asked, ...how }, "model" in how ? { perCall: { usd: 2 } } : {});
      await call.failed("TypeError", { ...answer, spend });
      const { usd, usd_known, uncertain_usd } = (await lastRow(ledger, pool)) ?? {};
      return [usd, usd_known, uncertain_usd];
    };
    // Nothing was said: 1,000 of input and 500 of output.
    expect(await settled({}, {})).toEqual(["0.006", false, "0.006"]);
    expect(await settled({}, { input_tokens: 200, output_tokens: 1, tokens_known: false })).toEqual([
      "0.006",
      false,
      "0.006",
    ]);
    // What the ledger can work out is left to it.
    expect(await settled({}, { input_tokens: 200, output_tokens: 50 })).toEqual(["0.0007", false, "0.0007"]);
    expect(await settled({ model: "unpriced" }, { input_tokens: 200, output_tokens: 50 })).toEqual(["2", false, "2"]);
    expect(await settled({}, answer.spend)).toEqual(["0.02", true, "0"]);
    // 10 - 0.006 - 0.006 - 0.0007 - 2 - 0.02
    expect(await month.readout()).toMatchObject({ usdLeft: "7.9673", usdKnown: false });
  });
});
