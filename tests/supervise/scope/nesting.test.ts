/** Drivers below drivers: however one ends, everything below it has ended before, and what its pool committed counts. */
import { describe, expect, it } from "vitest";
import { type Agent, driverChild } from "../../../src/supervise/agent.js";
import { worker } from "../../../src/supervise/executors.js";
import type { Scope } from "../../../src/supervise/scope.js";
import { useClients } from "../../ledger/client.js";
import { openRun } from "./run.js";

const clients = useClients();

const budget = { tokens: 200, iterations: 4, usd: "0.2" };
const leaf = { tokens: 50, iterations: 1, usd: "0.05" };
const turn = { kind: "driver-inference", driver: "d", turn: 0, toolCalls: [] } as const;
const driver = (act: (scope: Scope) => Promise<unknown>) => driverChild({ name: "d", act: (_, scope) => act(scope) });

/** Works until it is told to stop, then tells what it spent. */
const stoppable = worker("stoppable", async (_task, signal) => {
  await new Promise((resolve) => (signal.aborted ? resolve(0) : signal.addEventListener("abort", resolve)));
  return { out: "stopped", spent: { input_tokens: 8, output_tokens: 2, usd: "0.003", ms: 1 } };
});

describe("a driver child", () => {
  it("that throws is down with what it metered; its children are ended first", async () => {
    const ledger = await clients.open();
    const { scope, events } = await openRun(ledger);
    const crashing = driver(async (own) => {
      await own.meter({ input_tokens: 40, output_tokens: 20, usd: "0.01" }, turn);
      await own.spawn(stoppable, null, { label: "left alone", budget: leaf });
      throw new Error("lost the thread");
    });
    await scope.spawn(crashing, null, { label: "nested", budget });
    expect(await scope.next()).toMatchObject({
      kind: "down",
      handle: { driver: true },
      reason: "lost the thread",
      infra: false,
      spent: { iterations: 1, input_tokens: 48, output_tokens: 22, usd: "0.013" },
    });
    const tree = await scope.view();
    expect(tree.map(({ nodeId, status, reason, infra }) => [nodeId, status, reason, infra])).toEqual([
      ["r", "pending", null, false],
      ["r:s0", "down", "lost the thread", false],
      ["r:s0:s0", "down", "its driver has ended", true],
    ]);
    expect(events.map(({ id }) => id)).toEqual(
      ["r:s0/spawn", "r:s0/turn/1", "r:s0:s0/spawn", "r:s0:s0/end", "r:s0/end"].map((id) =>
        id === "r:s0/turn/1" ? expect.stringContaining("r:s0/turn/") : id,
      ),
    );
    expect(await scope.budget()).toMatchObject({ tokensLeft: 930, usdLeft: "0.987", reservedTokens: 0 });
  });

  it("that is done with children at work leaves none, and is as good as its best valid child", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const scored = (score: number | undefined, valid: boolean) =>
      worker("scored", () => ({
        out: score ?? null,
        verdict: { valid, ...(score !== undefined && { score }) },
        spent: { input_tokens: 1, output_tokens: 1, usd: 0 },
      }));
    const best = driver(async (own) => {
      for (const agent of [scored(9, false), scored(undefined, true), scored(-1, true)]) {
        await own.spawn(agent, null, { label: "w", budget: { tokens: 20, iterations: 1, usd: "0.01" } });
        await own.next();
      }
      await own.spawn(stoppable, null, { label: "left", budget: leaf });
      return { chosen: 1 };
    });
    await scope.spawn(best, null, { label: "nested", budget });
    expect(await scope.next()).toMatchObject({ kind: "done", out: { chosen: 1 }, verdict: { valid: true, score: 0 } });
    const empty = driver(async () => undefined);
    await scope.spawn(empty, null, { label: "empty", budget });
    expect(await scope.next()).toMatchObject({ kind: "done", out: undefined, outRef: null, verdict: { valid: false } });
    expect((await scope.view()).filter(({ status }) => status === "dispatched" || status === "pending")).toHaveLength(
      1,
    );
  });

  it("is aborted with all below it, also where its act ignores the signal", async () => {
    const ledger = await clients.open();
    const { scope, controller } = await openRun(ledger, undefined, { graceMs: 20 });
    let deep: (() => void) | undefined;
    const reached = new Promise<void>((resolve) => {
      deep = resolve;
    });
    const inner = driver(async (own) => {
      await own.spawn(stoppable, null, { label: "leaf", budget: leaf });
      deep?.();
      await new Promise(() => {});
    });
    const outer: Agent = {
      name: "outer",
      act: async (_task, own) => {
        await own.spawn(inner, null, { label: "inner", budget: { tokens: 100, iterations: 2, usd: "0.1" } });
        await own.next();
        // Given up on or not, nothing more is spawned.
        return own.spawn(stoppable, null, { label: "late", budget: leaf });
      },
    };
    await scope.spawn(driverChild(outer), null, { label: "outer", budget });
    await reached;
    controller.abort("the run is over");
    await scope.drain("the run is over", 20);
    expect(await scope.next()).toMatchObject({ kind: "down", reason: "the run is over", infra: true });
    expect((await scope.view()).map(({ nodeId, status, infra }) => [nodeId, status, infra])).toEqual([
      ["r", "pending", false],
      ["r:s0", "down", true],
      ["r:s0:s0", "down", true],
      ["r:s0:s0:s0", "down", true],
    ]);
    expect(await scope.budget()).toMatchObject({ tokensLeft: 990, usdLeft: "0.997", reservedTokens: 0 });
  });

  it("waits for the leases of holds that others have in its pool, then ends", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const stranger = clients.again(ledger);
    const visited = driver(async (own) => {
      const held = await stranger.pool(own.nodeId).reserve(leaf, { label: "stranger's", leaseMs: 200 });
      if (!held.ok) throw new Error("refused");
      await stranger.pool(own.nodeId).dispatch(held.ticket);
      await stranger.close();
      return "made";
    });
    await scope.spawn(visited, null, { label: "d", budget });
    expect(await scope.next()).toMatchObject({
      kind: "done",
      out: "made",
      verdict: { valid: false },
      spent: { iterations: 1, usd: "0.05", tokens_known: false, usd_known: false },
    });
    expect(await scope.budget()).toMatchObject({ tokensLeft: 950, usdLeft: "0.95", reservedTokens: 0 });
  });

  it("takes messages once it listens, and asks its parent through the mailbox", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const heard: unknown[] = [];
    const listening = driver(async (own) => {
      own.onMessage((message) => heard.push(message) > 0 && message !== "no");
      expect(own.mailbox.parent).toBe(scope.mailbox);
      await new Promise<void>((resolve) => {
        own.mailbox.parent?.ask({ from: own.nodeId, question: "more?", reason: "unclear", urgency: "blocks-run" }, () =>
          resolve(),
        );
      });
      return heard;
    });
    const spawned = await scope.spawn(listening, null, { label: "d", budget });
    if (!spawned.ok) throw new Error("refused");
    const { nodeId } = spawned.handle;
    expect(await scope.send(nodeId, "yes")).toBe(true);
    expect(await scope.send(nodeId, "no")).toBe(false);
    expect(await scope.send("r:s9", "yes")).toBe(false);
    const asked = scope.mailbox.take(new Set(["question"]));
    if (asked?.kind !== "question") throw new Error("nothing was asked");
    scope.mailbox.reply(asked.questionId, { answer: "yes" });
    expect(await scope.next()).toMatchObject({ kind: "done", out: ["yes", "no"] });
    expect(await scope.send(nodeId, "yes")).toBe(false);
  });
});
