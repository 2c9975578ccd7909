/** Settlements come once, to whoever asks, in whichever life of the run. */
import { describe, expect, it } from "vitest";
import { worker } from "../../../src/supervise/executors.js";
import type { Settled } from "../../../src/supervise/settled.js";
import { useClients } from "../../ledger/client.js";
import { gate, openRun } from "./run.js";

const clients = useClients();

const budget = { tokens: 100, iterations: 1, usd: "0.1" };
const quick = worker("quick", (task) => ({ out: task, spent: { input_tokens: 1, output_tokens: 1, usd: "0.001" } }));

const ids = (settled: readonly (Settled | null)[]) => settled.flatMap((one) => (one ? [one.handle.nodeId] : [])).sort();

describe("next", () => {
  it("gives each settlement to one of those who ask at once, in two processes too", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger, { tokens: 1_000, iterations: 8, usd: "1" });
    for (let n = 0; n < 8; n += 1) await scope.spawn(quick, n, { label: `w${n}`, budget });
    await scope.settleWithin(10_000);
    const other = await openRun(clients.again(ledger), { tokens: 1_000, iterations: 8, usd: "1" });
    const settled = await Promise.all(
      Array.from({ length: 12 }, (_, place) => (place % 2 === 0 ? scope : other.scope).next()),
    );
    expect(ids(settled)).toEqual(["r:s0", "r:s1", "r:s2", "r:s3", "r:s4", "r:s5", "r:s6", "r:s7"]);
    expect(settled.flatMap((one) => (one ? [one.seq] : [])).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const one of settled) if (one?.kind === "done") expect(one.handle.label).toBe(`w${one.out}`);
  });

  it("gives a finished child before one at work, and wakes all who wait for the last", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const { opened, open } = gate();
    const slow = worker("slow", async () => {
      await opened;
      return { out: "slow", spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
    });
    await scope.spawn(slow, null, { label: "slow", budget });
    await scope.spawn(quick, null, { label: "quick", budget });
    expect(await scope.next()).toMatchObject({ handle: { label: "quick" }, seq: 0 });
    const waiting = [scope.next(), scope.next(), scope.next({ withinMs: 10_000 })];
    expect(await scope.next({ withinMs: 1 })).toEqual({ kind: "pending", live: 1 });
    open();
    const came = await Promise.all(waiting);
    expect(came.filter((one) => one === null)).toHaveLength(2);
    expect(came.find((one) => one !== null)).toMatchObject({ kind: "done", out: "slow", seq: 1 });
    expect(scope.live()).toBe(0);
  });

  it("gives what an earlier life finished and never delivered", async () => {
    const ledger = await clients.open();
    const earlier = await openRun(ledger);
    await earlier.scope.spawn(quick, "one", { label: "a", budget });
    await earlier.scope.spawn(quick, "two", { label: "b", budget });
    await earlier.scope.settleWithin(10_000);
    expect(await earlier.scope.next()).toMatchObject({ seq: 0 });
    await ledger.close();
    const { scope } = await openRun(clients.again(ledger));
    expect(scope.live()).toBe(0);
    expect(await scope.next()).toMatchObject({ kind: "done", seq: 1 });
    expect(await scope.next()).toBeNull();
    expect((await scope.children()).map(({ nodeId, status }) => [nodeId, status])).toEqual([
      ["r:s0", "done"],
      ["r:s1", "done"],
    ]);
  });
});

describe("children of an earlier life", () => {
  it("count as live until their leases lapse, and come down, infra, charged their ceilings", async () => {
    const ledger = await clients.open();
    const lost = clients.again(ledger);
    const earlier = await openRun(lost, undefined, { leaseMs: 300, maxLiveWorkers: 1 });
    const never = worker("never", () => new Promise<never>(() => {}));
    const spawned = await earlier.scope.spawn(never, "t", { label: "lost", key: "k", budget });
    expect(spawned.ok).toBe(true);
    await lost.close();

    const { scope, events, downs } = await openRun(ledger, undefined, { maxLiveWorkers: 1 });
    expect(scope.live()).toBe(1);
    expect(scope.progress("r:s0")).toBeUndefined();
    expect(scope.cancel("r:s0", "mine?")).toBe(false);
    expect(await scope.spawn(quick, "u", { label: "new", budget })).toMatchObject({ code: "max-live-workers" });
    expect(await scope.next()).toMatchObject({
      kind: "down",
      handle: { nodeId: "r:s0", key: "k" },
      reason: "lease-expired",
      infra: true,
      spent: { iterations: 1, usd: "0.1", tokens_known: false, usd_known: false },
    });
    expect(scope.live()).toBe(0);
    expect(downs()).toBe(1);
    expect(events).toMatchObject([{ id: "r:s0/end", payload: { status: "expired", reason: "lease-expired" } }]);
    // Its key is free again, and so is its place.
    expect(await scope.spawn(quick, "t", { label: "new", key: "k", budget })).toMatchObject({ ok: true });
    expect(await scope.next()).toMatchObject({ kind: "done", out: "t", seq: 1 });
    expect(await scope.next()).toBeNull();
  });

  it("that are at work in another process are waited for, and what they settle comes here", async () => {
    const ledger = await clients.open();
    const earlier = await openRun(ledger);
    const { opened, open } = gate();
    const slow = worker("slow", async () => {
      await opened;
      return { out: "alive", spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
    });
    await earlier.scope.spawn(slow, null, { label: "slow", budget });
    const { scope, events } = await openRun(clients.again(ledger));
    expect(scope.live()).toBe(1);
    const next = scope.next();
    open();
    expect(await next).toMatchObject({ kind: "done", out: "alive", seq: 0 });
    expect(await earlier.scope.next()).toBeNull();
    expect(await scope.next()).toBeNull();
    expect(events).toMatchObject([{ id: "r:s0/end", payload: { status: "done", spent: { input_tokens: 1 } } }]);
  });

  it("are not waited for once the scope is to end", async () => {
    const ledger = await clients.open();
    const earlier = await openRun(ledger);
    const { opened, open } = gate();
    const slow = worker("slow", async () => {
      await opened;
      return { out: 1, spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
    });
    await earlier.scope.spawn(slow, null, { label: "slow", budget });
    const { scope, controller } = await openRun(clients.again(ledger));
    const next = scope.next();
    controller.abort("stop");
    expect(await next).toBeNull();
    open();
    await earlier.scope.settleWithin(10_000);
  });
});

describe("an end that the ledger does not take", () => {
  it("comes through next as the error, is kept, and is booked once it can be", async () => {
    const ledger = await clients.open();
    const { scope, events } = await openRun(ledger);
    const { opened, open } = gate();
    const slow = worker("slow", async () => {
      await opened;
      return { out: "kept", spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
    });
    await scope.spawn(slow, null, { label: "slow", budget });
    const role = new URL(clients.urlOf(ledger)).username;
    await clients.database.pool.query(`revoke ledger_writer from "${role}"`);
    open();
    await expect(scope.next()).rejects.toMatchObject({ code: "42501", retryable: false });
    await expect(scope.drain("over", 10)).rejects.toMatchObject({ code: "42501" });
    expect(scope.live()).toBe(1);
    await clients.database.pool.query(`grant ledger_writer to "${role}"`);
    expect(await scope.next()).toMatchObject({ kind: "done", out: "kept", seq: 0 });
    await scope.drain("over", 10);
    expect(events.map(({ id }) => id)).toEqual(["r:s0/spawn", "r:s0/end"]);
  });
});

describe("a lease of a millisecond", () => {
  it("loses nothing: the truth is booked, over the expiry where that came first", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger, { tokens: 1_000, iterations: 5, usd: "1" });
    const other = clients.again(ledger);
    const { opened, open } = gate();
    const slow = worker("slow", async (task) => {
      await opened;
      return { out: task, spent: { input_tokens: 7, output_tokens: 3, usd: "0.01", ms: 1 } };
    });
    for (let n = 0; n < 5; n += 1) await scope.spawn(slow, n, { label: "w", key: `k${n}`, leaseMs: 1, budget });
    // Somebody else may see a lease as passed at any time, such as now.
    await other.apply([{ op: "expire", operation_id: "e", pool_id: "r" }]);
    expect(await scope.spawn(slow, 0, { label: "w", key: "k0", budget })).toMatchObject({ ok: expect.any(Boolean) });
    open();
    await scope.settleWithin(10_000);
    const children = await scope.children();
    expect(children.every(({ status }) => status === "done")).toBe(true);
    for (const { spent } of children) expect(spent).toMatchObject({ input_tokens: 7, output_tokens: 3, usd: "0.01" });
    const left = 1_000 - 10 * children.length;
    expect(await scope.budget()).toMatchObject({ tokensLeft: left, tokensKnown: true, reservedTokens: 0 });
    const delivered: (Settled | null)[] = [];
    for (const _ of children) delivered.push(await scope.next());
    expect(ids(delivered)).toEqual(children.map(({ nodeId }) => nodeId).sort());
    expect(await scope.next()).toBeNull();
  });
});
