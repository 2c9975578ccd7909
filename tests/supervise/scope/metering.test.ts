/** Model calls of a driver: one row and one event each, whatever was reported, and what a later life knows of them. */
import { describe, expect, it } from "vitest";
import { LOST } from "../../../src/supervise/scope/calls-in-doubt.js";
import type { TurnDetail } from "../../../src/supervise/scope.js";
import { useClients } from "../../ledger/client.js";
import { openRun } from "./run.js";

const clients = useClients();

const detail = (turn: number, change: Partial<TurnDetail> = {}): TurnDetail => ({
  kind: "driver-inference",
  driver: "d",
  turn,
  toolCalls: ["spawn_worker"],
  provider: "acme",
  model: "m-1",
  ...change,
});

describe("metering", () => {
  it("books every call as it was reported, and counts on from the rows", async () => {
    const ledger = await clients.open();
    const { scope, events } = await openRun(ledger, { tokens: 1_000, iterations: 10 });
    expect(await scope.turns()).toEqual({ next: 0, silent: 0, dearestUsd: null });
    expect(await scope.meter({ input_tokens: 100, output_tokens: 50, usd: "0.01" }, detail(0))).toMatchObject({
      usd: "receipt",
    });
    expect(
      await scope.meter({ input_tokens: 5, output_tokens: 1 }, detail(1, { kind: "driver-compaction" })),
    ).toMatchObject({
      usd: "unknown",
    });
    expect(await scope.turns()).toEqual({ next: 1, silent: 0, dearestUsd: "0.01" });
    expect(await scope.meter({ usd: 0 }, detail(1))).toMatchObject({ usd: "receipt" });
    expect(await scope.meter({}, detail(2, { inferenceFailed: "timed out" }))).toMatchObject({ usd: "unknown" });
    expect(await scope.meter(null, detail(3))).toBeNull();
    expect(await scope.turns()).toEqual({ next: 3, silent: 2, dearestUsd: "0.01" });
    const rows = await ledger.db
      .selectFrom("journal")
      .select(["turn", "purpose", "tool_calls", "provider", "model", "iterations", "tokens_known", "usd_known"])
      .where("pool_id", "=", "r")
      .where("kind", "=", "metered")
      .orderBy("seq")
      .execute();
    const call = { tool_calls: ["spawn_worker"], provider: "acme", model: "m-1", iterations: "0" };
    expect(rows).toEqual([
      { ...call, turn: 0, purpose: "turn", tokens_known: true, usd_known: true },
      { ...call, turn: 1, purpose: "compaction", tokens_known: true, usd_known: false },
      { ...call, turn: 1, purpose: "turn", tokens_known: false, usd_known: true },
      { ...call, turn: 2, purpose: "failed", tokens_known: false, usd_known: false },
    ]);
    expect(events.map(({ target, phase, payload }) => [target, phase, payload.turn, "spend" in payload])).toEqual([
      ["agent.turn", "after", 0, true],
      ["agent.turn", "after", 1, true],
      ["agent.turn", "after", 1, true],
      ["agent.turn", "error", 2, true],
      ["agent.turn", "after", 3, false],
    ]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(5);
    expect(await scope.budget()).toMatchObject({ tokensLeft: 844, tokensKnown: false, iterationsLeft: 10 });
  });

  it("corrects a call that a resumed run took for lost", async () => {
    const ledger = await clients.open();
    const { scope, events } = await openRun(ledger);
    const call = await scope.dispatchCall(detail(0));
    const doubts = () => ledger.db.selectFrom("calls_in_doubt").select(["meter_id", "turn"]).execute();
    expect(await doubts()).toEqual([{ meter_id: call, turn: 0 }]);
    const lost = { purpose: "failed", turn: 0, detail: { inferenceFailed: LOST } } as const;
    await ledger.pool("r").observe({ usd: "0.3", usd_known: false }, { ...lost, operationId: call });
    expect(await scope.budget()).toMatchObject({ usdLeft: "0.7", tokensKnown: false });
    expect(await scope.turns()).toEqual({ next: 1, silent: 1, dearestUsd: "0.3" });
    expect(await scope.meter({ input_tokens: 60, output_tokens: 40, usd: "0.02" }, detail(0, { call }))).toMatchObject({
      operationId: call,
      usd: "receipt",
    });
    expect(await doubts()).toEqual([]);
    expect(await scope.budget()).toMatchObject({ usdLeft: "0.98", tokensLeft: 900, tokensKnown: true, usdKnown: true });
    expect(await scope.turns()).toEqual({ next: 1, silent: 0, dearestUsd: "0.02" });
    expect(events.at(-1)).toMatchObject({ payload: { turn: 0, corrects: "r/turn/3", spend: { usd: "0.02" } } });
    const tools = await ledger.db.selectFrom("usage_by_tool").select("tool").execute();
    expect(tools).toEqual([{ tool: "spawn_worker" }]);
    // Neither does a second truth take the place of the first.
    await expect(scope.meter({ usd: "0.001" }, detail(0, { call }))).rejects.toMatchObject({ code: "LG005" });
  });

  it("leaves the estimate of a call where the truth does not tell its dollars", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const lost = { purpose: "failed", detail: { inferenceFailed: LOST } } as const;
    const call = await scope.dispatchCall(detail(0));
    await ledger.pool("r").observe({ usd: "0.3", usd_known: false }, { ...lost, operationId: call });
    expect(await scope.meter({ input_tokens: 6, output_tokens: 4 }, detail(0, { call }))).toMatchObject({
      usd: "estimate",
    });
    expect(await scope.budget()).toMatchObject({ usdLeft: "0.7", usdKnown: false, tokensLeft: 990, tokensKnown: true });
    const other = await scope.dispatchCall(detail(1));
    await ledger.pool("r").observe({}, { ...lost, operationId: other });
    expect(await scope.meter({}, detail(1, { call: other }))).toMatchObject({ usd: "unknown" });
  });

  it("refuses a second meter of one call, and a ceiling that could not be booked", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const call = await scope.dispatchCall(detail(0));
    await scope.meter({ input_tokens: 100, output_tokens: 50, usd: "0.02" }, detail(0, { call }));
    const again = scope.meter({ input_tokens: 1, output_tokens: 1, usd: "0.01" }, detail(1, { call }));
    await expect(again).rejects.toMatchObject({ code: "LG005" });
    expect(await scope.budget()).toMatchObject({ usdLeft: "0.98", tokensLeft: 850 });
    for (const maxUsd of ["0.0033333333333333", Number.NaN, 1e15, -1]) {
      const announced = scope.dispatchCall({ ...detail(1), maxUsd });
      await expect(announced).rejects.toMatchObject({ code: "LG001", detail: { path: "detail.maxUsd" } });
    }
  });

  it("tells estimates of the tenant's price book from receipts, and a free model from both", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const price = { provider: "acme", valid_from: "2020-01-01T00:00:00Z" };
    const of = (model: string, usd_per_million: string) =>
      (["input", "output"] as const).map((token_class) => ({ ...price, model, token_class, usd_per_million }));
    await ledger.putPrices("b", [...of("m-1", "10"), ...of("free", "0")]);
    await ledger.usePrices("b");
    const used = { input_tokens: 800, output_tokens: 200 };
    expect(await scope.meter(used, detail(0))).toMatchObject({ usd: "estimate" });
    expect(await scope.meter(used, detail(1, { model: "unheard-of" }))).toMatchObject({ usd: "unknown" });
    expect(await scope.meter(used, detail(2, { model: "free" }))).toMatchObject({ usd: "receipt" });
    expect(await scope.meter({ ...used, usd: "0.4", usd_known: false }, detail(3))).toMatchObject({ usd: "estimate" });
    expect(await scope.turns()).toEqual({ next: 4, silent: 0, dearestUsd: "0.4" });
  });
});
