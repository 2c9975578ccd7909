/** How leaves end: to the token, whatever the executor does. */
import { describe, expect, it } from "vitest";
import type { UsageEvent } from "../../../src/ledger/spend.js";
import type { Worker } from "../../../src/supervise/agent.js";
import type { Executor } from "../../../src/supervise/executor.js";
import { streamingWorker, worker } from "../../../src/supervise/executors.js";
import type { SpawnOptions } from "../../../src/supervise/scope.js";
import { useClients } from "../../ledger/client.js";
import { gate, openRun } from "./run.js";

const clients = useClients();

const asked: SpawnOptions = { label: "w", budget: { tokens: 100, iterations: 2, usd: "0.1" } };

/** A worker of one executor, told apart from those that the makers make. */
function made(executor: Partial<Executor> & Pick<Executor, "execute">): Worker & { torn: number[] } {
  const torn: number[] = [];
  const teardown = (graceMs: number): void => {
    torn.push(graceMs);
  };
  return { name: "made", runtime: "test", torn, executor: () => ({ runtime: "test", teardown, ...executor }) };
}

const known = { input_tokens: 10, output_tokens: 5, usd: "0.001", ms: 7 };

describe("a leaf", () => {
  it("is dispatched before it is executed", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const looking = worker("looking", async (_task, _signal, { nodeId }) => ({
      out: (await ledger.db.selectFrom("nodes").select("status").where("node_id", "=", nodeId).executeTakeFirst())
        ?.status,
      spent: known,
    }));
    await scope.spawn(looking, null, asked);
    expect(await scope.next()).toMatchObject({ kind: "done", out: "dispatched" });
  });

  it("that breaks off in a stream keeps what it reported; the rest is unknown", async () => {
    const ledger = await clients.open();
    const { scope, downs } = await openRun(ledger);
    const crashing = streamingWorker("crashing", async function* () {
      yield { type: "tokens", input: 30, output: 8, cacheRead: 20 } satisfies UsageEvent;
      yield { type: "cost", usd: "0.02" } satisfies UsageEvent;
      yield { type: "iteration" } satisfies UsageEvent;
      yield { type: "iteration" } satisfies UsageEvent;
      yield { type: "tokens", input: 2, output: 1 } satisfies UsageEvent;
      throw new Error("connection reset");
    });
    await scope.spawn(crashing, null, asked);
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason: "connection reset",
      infra: false,
      spent: {
        iterations: 2,
        input_tokens: 32,
        output_tokens: 9,
        cache_read_tokens: 20,
        charged_tokens: 41,
        // Of dollars that are not all known the ceiling is charged.
        usd: "0.1",
        tokens_known: false,
        usd_known: false,
      },
    });
    expect(await scope.budget()).toMatchObject({
      tokensLeft: 959,
      tokensKnown: false,
      usdLeft: "0.9",
      usdKnown: false,
    });
    expect(downs()).toBe(1);
  });

  it("whose stream ends is done with the sum of its events, or what its result states instead", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const events: UsageEvent[] = [
      { type: "tokens", input: 10, output: 5 },
      { type: "cost", usd: "0.001" },
      { type: "iteration" },
      { type: "resource", name: "gpu_seconds", amount: "1.5" },
    ];
    const plain = streamingWorker("plain", async function* () {
      yield* events;
      return { out: "made", verdict: { valid: false } };
    });
    await scope.spawn(plain, null, asked);
    expect(await scope.next()).toMatchObject({
      kind: "done",
      out: "made",
      verdict: { valid: false },
      spent: {
        iterations: 1,
        input_tokens: 10,
        output_tokens: 5,
        usd: "0.001",
        tokens_known: true,
        usd_known: true,
        resources: { gpu_seconds: { amount: "1.5" } },
      },
    });
    const stating = made({
      async *execute() {
        yield* events;
      },
      resultArtifact: () => ({ out: 1, spent: { input_tokens: 40, output_tokens: 2, iterations: 2, ms: 3 } }),
    });
    await scope.spawn(stating, null, asked);
    expect(await scope.next()).toMatchObject({
      kind: "done",
      spent: { iterations: 2, input_tokens: 40, output_tokens: 2, usd: "0.001", usd_known: true, ms: 3 },
    });
    const silent = made({
      async *execute() {
        yield* events;
      },
    });
    await scope.spawn(silent, null, asked);
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason: "the stream ended, and the executor has no resultArtifact",
      spent: { input_tokens: 10, output_tokens: 5, usd: "0.1", tokens_known: false, usd_known: false },
    });
  });

  it.each<[string, unknown, string, object]>([
    ["spent is missing", { out: 1 }, "result.spent: ", { input_tokens: 0, tokens_known: false, usd_known: false }],
    [
      "its spend has a field that none has",
      { out: 1, spent: { ...known, inputTokens: 10 } },
      "result.spent: ",
      { input_tokens: 10, output_tokens: 5, tokens_known: true, usd: "0.001", usd_known: true },
    ],
    [
      "a resource has the name of a plain channel",
      { out: 1, spent: { ...known, resources: { usd: { amount: 1 } } } },
      "result.spent.resources: tokens, iterations and usd are fields of the spend itself",
      { input_tokens: 10, output_tokens: 5, tokens_known: true, usd: "0.001", usd_known: true },
    ],
    [
      "the verdict is malformed",
      { out: 1, verdict: { valid: "yes" }, spent: known },
      "result.verdict.valid: ",
      { input_tokens: 10, output_tokens: 5, usd: "0.001", tokens_known: true, usd_known: true },
    ],
    [
      "the reference is not the artifact's",
      { out: 1, outRef: `sha256:${"0".repeat(64)}`, spent: known },
      "result.outRef: is not the digest of out, which is sha256:6b86b273",
      { input_tokens: 10, output_tokens: 5, usd: "0.001", tokens_known: true, usd_known: true },
    ],
    [
      "the result is no JSON",
      { out: { n: Number.NaN }, spent: known },
      "value must have one JSON form",
      { input_tokens: 10, output_tokens: 5, usd: "0.001" },
    ],
  ])("is down where %s, and its spend counts as far as it is valid", async (_name, result, reason, spent) => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const executor = made({ execute: async () => result as never });
    await scope.spawn(executor, null, asked);
    const settled = await scope.next();
    expect(settled).toMatchObject({ kind: "down", infra: false, spent });
    expect(settled?.kind === "down" && settled.reason.slice(0, reason.length)).toBe(reason);
    await scope.drain("over", 100);
    expect(executor.torn).toEqual([200]);
  });

  it("stays done above its ceilings, and the truth is booked", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const large = worker("large", () => ({ out: 1, spent: { input_tokens: 900, output_tokens: 200, usd: "1.5" } }));
    await scope.spawn(large, null, asked);
    expect(await scope.next()).toMatchObject({ kind: "done", spent: { charged_tokens: 1_100, usd: "1.5" } });
    expect(await scope.budget()).toMatchObject({ tokensLeft: -100, usdLeft: "-0.5" });
  });

  it("that cannot be made is down and refunded", async () => {
    const ledger = await clients.open();
    const { scope, downs } = await openRun(ledger, { tokens: 1_000, iterations: 10, usd: "1" }, { maxLiveWorkers: 1 });
    const broken: Worker = {
      name: "broken",
      runtime: "test",
      executor: () => {
        throw new Error("no such model");
      },
    };
    const before = await scope.budget();
    expect(await scope.spawn(broken, null, asked)).toMatchObject({ ok: true });
    expect(await scope.next()).toMatchObject({ kind: "down", reason: "no such model", spent: { charged_tokens: 0 } });
    expect(await scope.budget()).toEqual(before);
    expect(downs()).toBe(1);
    expect(await scope.spawn(broken, null, asked)).toMatchObject({ ok: true });
    await scope.drain("over", 100);
  });
});

describe("an aborted leaf", () => {
  it("that was not dispatched is refunded", async () => {
    const ledger = await clients.open();
    const { scope, controller, events } = await openRun(ledger);
    const before = await scope.budget();
    let executed = 0;
    const executor = made({
      execute: async () => {
        executed += 1;
        return { out: 1, spent: known };
      },
    });
    const spawning = scope.spawn(executor, null, asked);
    controller.abort(new Error("changed my mind"));
    expect(await spawning).toMatchObject({ ok: true });
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason: "changed my mind",
      infra: true,
      spent: { iterations: 0, charged_tokens: 0, usd: "0" },
    });
    expect(await scope.next()).toBeNull();
    expect(await scope.budget()).toEqual(before);
    expect(executed).toBe(0);
    expect(events.at(-1)).toMatchObject({ phase: "error", payload: { status: "cancelled", infra: true } });
  });

  it("that finishes all the same is down, infra, and its spend counts", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const polite = worker("polite", async (_task, signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { out: 1, verdict: { valid: true }, spent: known };
    });
    const spawned = await scope.spawn(polite, null, asked);
    if (!spawned.ok) throw new Error("refused");
    expect(scope.progress(spawned.handle.nodeId)).toMatchObject({ stalled: false });
    expect(scope.cancel(spawned.handle.nodeId, "not needed")).toBe(true);
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason: "not needed",
      infra: true,
      spent: { iterations: 1, input_tokens: 10, output_tokens: 5, usd: "0.001", ms: 7 },
    });
    expect(scope.cancel(spawned.handle.nodeId, "again")).toBe(false);
    expect(scope.signal.aborted).toBe(false);
  });

  it("that ignores its signal is given up, torn down once, and heard no more", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger, undefined, { graceMs: 20 });
    const { opened, open } = gate();
    const deaf = made({
      async *execute() {
        yield { type: "tokens", input: 3, output: 1 } satisfies UsageEvent;
        await opened;
        yield { type: "tokens", input: 500, output: 1 } satisfies UsageEvent;
      },
      resultArtifact: () => ({ out: "too late", spent: known }),
      deliver: (message) => message === "hello",
    });
    const spawned = await scope.spawn(deaf, null, asked);
    if (!spawned.ok) throw new Error("refused");
    const { nodeId } = spawned.handle;
    expect(await scope.send(nodeId, "hello")).toBe(true);
    expect(await scope.send(nodeId, "other")).toBe(false);
    expect(await scope.next({ withinMs: 0 })).toEqual({ kind: "pending", live: 1 });
    scope.cancel(nodeId, "enough");
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason: "enough",
      infra: true,
      spent: { iterations: 1, input_tokens: 3, output_tokens: 1, usd: "0.1", tokens_known: false, usd_known: false },
    });
    open();
    expect(await scope.send(nodeId, "hello")).toBe(false);
    expect(await scope.next()).toBeNull();
    await scope.drain("over", 20);
    expect(deaf.torn).toEqual([20]);
    expect(await scope.child(nodeId)).toMatchObject({ status: "down", spent: { input_tokens: 3 } });
  });
});
