/** A driver's scope on real Postgres: what is spawned, settled, delivered and metered, to the row. */
import { describe, expect, it } from "vitest";
import { driverChild } from "../../../src/supervise/agent.js";
import { worker } from "../../../src/supervise/executors.js";
import { useClients } from "../../ledger/client.js";
import { openRun } from "./run.js";

const clients = useClients();

const echo = worker("echo", (task) => ({
  out: { said: task },
  verdict: { valid: true, score: 0.5 },
  spent: { input_tokens: 10, output_tokens: 5, usd: "0.001", ms: 7 },
}));

describe("a scope", () => {
  it("spawns a leaf, delivers its settlement once, meters turns and tells the hooks", async () => {
    const ledger = await clients.open();
    const { scope, events } = await openRun(ledger);
    const spawned = await scope.spawn(echo, "hello", {
      label: "w",
      budget: { tokens: 100, iterations: 1, usd: "0.1" },
    });
    expect(spawned).toEqual({ ok: true, handle: { nodeId: "r:s0", label: "w", key: undefined, driver: false } });
    const settled = await scope.next();
    expect(settled).toEqual({
      kind: "done",
      handle: { nodeId: "r:s0", label: "w", key: undefined, driver: false },
      out: { said: "hello" },
      outRef: expect.stringMatching(/^sha256:/),
      verdict: { valid: true, score: 0.5 },
      spent: {
        iterations: 1,
        input_tokens: 10,
        output_tokens: 5,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        reasoning_tokens: 0,
        charged_tokens: 15,
        usd: "0.001",
        ms: 7,
        tokens_known: true,
        usd_known: true,
        resources: null,
      },
      seq: 0,
    });
    expect(await scope.next()).toBeNull();
    const turn = { kind: "driver-inference", driver: "d", turn: 0, toolCalls: ["spawn_worker"], model: "m" } as const;
    const call = await scope.dispatchCall(turn);
    expect(await scope.meter({ input_tokens: 100, output_tokens: 50, usd: "0.01" }, { ...turn, call })).toMatchObject({
      operationId: call,
      usd: "receipt",
    });
    expect(await scope.turns()).toEqual({ next: 1, silent: 0, dearestUsd: "0.01" });
    expect(await scope.budget()).toMatchObject({ tokensLeft: 835, usdLeft: "0.989", iterationsLeft: 9 });
    expect(events.map(({ id, target }) => [id, target])).toEqual([
      ["r:s0/spawn", "agent.spawn"],
      ["r:s0/end", "agent.child"],
      [expect.stringMatching(/^r\/turn\/\d+$/), "agent.turn"],
    ]);
    expect(await scope.view()).toMatchObject([
      { nodeId: "r", parentId: null, depth: 0, rolledUp: { input_tokens: 110, output_tokens: 55, usd: "0.011" } },
      { nodeId: "r:s0", parentId: "r", depth: 1, status: "done", own: { input_tokens: 10 } },
    ]);
    await scope.drain("over", 100);
    scope.close();
  });

  it("nests three deep; each driver's spend is its pool's, its verdict its best child's", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const budget = { tokens: 100, iterations: 2, usd: "0.1" };
    const inner = driverChild({
      name: "inner",
      act: async (_task, own) => {
        await own.meter(
          { input_tokens: 20, output_tokens: 5, usd: "0.002" },
          { kind: "driver-inference", driver: "inner", turn: 0, toolCalls: [] },
        );
        await own.spawn(echo, "deep", { label: "leaf", budget: { tokens: 50, iterations: 1, usd: "0.01" } });
        return (await own.next())?.kind;
      },
    });
    const outer = driverChild({
      name: "outer",
      act: async (_task, own) => {
        await own.spawn(inner, null, { label: "inner", budget: { tokens: 80, iterations: 1, usd: "0.05" } });
        const settled = await own.next();
        return settled?.kind === "done" ? settled.out : undefined;
      },
    });
    await scope.spawn(outer, null, { label: "outer", budget });
    const settled = await scope.next();
    expect(settled).toMatchObject({
      kind: "done",
      out: "done",
      verdict: { valid: true, score: 0.5 },
      spent: { iterations: 1, input_tokens: 30, output_tokens: 10, usd: "0.003" },
    });
    expect((await scope.view()).map(({ nodeId, depth, status }) => [nodeId, depth, status])).toEqual([
      ["r", 0, "pending"],
      ["r:s0", 1, "done"],
      ["r:s0:s0", 2, "done"],
      ["r:s0:s0:s0", 3, "done"],
    ]);
    expect(await scope.budget()).toMatchObject({ tokensLeft: 960, usdLeft: "0.997", iterationsLeft: 9 });
  });
});
