/** Runs whose process was lost, gone on with by another: nothing is lost, counted twice or done again. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { driverChild } from "../../src/supervise/agent.js";
import type { HookEvent } from "../../src/supervise/hooks.js";
import { LOST } from "../../src/supervise/scope/calls-in-doubt.js";
import type { Scope } from "../../src/supervise/scope.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";
import { agent, echo, failing, turn } from "./agents.js";
import { OPTIONS as LOST_RUN, PAID } from "./lost-run.js";

const clients = useClients();

const OPTIONS = { runId: "r", budget: { tokens: 1_000, iterations: 10, usd: 1 }, leaseMs: 300, teardownGraceMs: 50 };
const PROGRAM = fileURLToPath(new URL("lost-run.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The first life: does this, and is lost, as far as the ledger can tell: its client is closed and renews nothing. */
async function lostLife(ledger: Ledger, act: (scope: Scope) => Promise<unknown>, more: object = {}): Promise<void> {
  const root = agent(async (scope) => {
    await act(scope);
    await ledger.close();
    return "never heard";
  });
  await expect(createSupervisor({ ledger }).run(root, null, { ...OPTIONS, ...more })).rejects.toThrow();
}

it("books the calls that were lost, each once: at its ceiling, at the dearest known, or unknown", async () => {
  const first = await clients.open();
  const detail = { kind: "driver-inference", driver: "driver", model: "m", provider: "p" } as const;
  const nested = driverChild(
    agent(async (scope) => {
      await scope.dispatchCall({ ...detail, turn: 0 });
      await first.close();
      return "never heard";
    }),
  );
  await lostLife(first, async (scope) => {
    await turn(scope, 0, { input: 100, output: 50, usd: "0.02" });
    await turn(scope, 1, { input: 10, output: 5, usd: "0.01" });
    await scope.dispatchCall({ ...detail, turn: 2 });
    await scope.dispatchCall({ ...detail, turn: 3, maxUsd: 0.3 });
    await scope.spawn(nested, null, { label: "nested", budget: { tokens: 100, iterations: 1, usd: "0.2" } });
    await scope.next();
  });

  const ledger = clients.again(first);
  const events: HookEvent[] = [];
  const seen: unknown[] = [];
  const root = agent(async (scope) => {
    seen.push((await scope.turns()).next);
    seen.push(await scope.next());
    return "value";
  });
  const supervisor = createSupervisor({ ledger, hooks: [(event) => void events.push(event)] });
  const result = await supervisor.run(root, null, { ...OPTIONS, resume: true });
  expect(seen).toMatchObject([4, { kind: "down", reason: "lease-expired", infra: true, handle: { nodeId: "r:s0" } }]);
  const lost = await ledger.db
    .selectFrom("journal")
    .select(["pool_id", "turn", "usd", "tokens_known", "usd_known", "uncertain_usd", "purpose", "provider", "detail"])
    .where("kind", "=", "metered")
    .where("purpose", "=", "failed")
    .orderBy("pool_id")
    .orderBy("turn")
    .execute();
  const failed = { tokens_known: false, usd_known: false, provider: "p", detail: { inferenceFailed: LOST } };
  expect(lost).toMatchObject([
    { ...failed, pool_id: "r", turn: 2, usd: "0.02", uncertain_usd: "0.02" },
    { ...failed, pool_id: "r", turn: 3, usd: "0.3", uncertain_usd: "0.3" },
    { ...failed, pool_id: "r:s0", turn: 0, usd: null },
  ]);
  expect(await ledger.db.selectFrom("calls_in_doubt").selectAll().execute()).toEqual([]);
  expect(result).toMatchObject({
    kind: "winner",
    spentBreakdown: {
      driverInference: { input_tokens: 110, output_tokens: 55, usd: "0.35", tokens_known: false, usd_known: false },
    },
    spendGaps: [
      { nodeId: "r", gap: "unreported", channels: ["tokens"] },
      { nodeId: "r:s0", gap: "unreported", channels: ["tokens", "usd"] },
    ],
  });
  const turns = events.filter(({ target }) => target === "agent.turn");
  expect(turns).toMatchObject([
    { phase: "error", parentId: "r", payload: { turn: 2, inferenceFailed: LOST, spend: { usd: "0.02" } } },
    { phase: "error", parentId: "r", payload: { turn: 3, inferenceFailed: LOST, spend: { usd: "0.3" } } },
    { phase: "error", parentId: "r:s0", payload: { turn: 0, inferenceFailed: LOST } },
  ]);
  const nothing = agent(() => Promise.reject(new Error("must not be called")));
  expect(await supervisor.run(nothing, null, { ...OPTIONS, resume: true })).toEqual(result);
});

it("killed in the middle of everything: done work is not done again, the rest is heard of, the sums agree", async () => {
  const ledger = await clients.open();
  const args = ["--import", "tsx", PROGRAM, clients.urlOf(ledger), ledger.tenantId];
  const program = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(program, "close");
  for await (const line of createInterface({ input: program.stdout })) if (line === "ready") program.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);

  const root = agent(async (scope) => {
    const again = await scope.spawn(echo, "keyed", { label: "anything", key: "k", budget: PAID });
    const { next } = await scope.turns();
    const came: unknown[] = [];
    for (let settled = await scope.next(); settled; settled = await scope.next()) {
      const { kind, handle, seq } = settled;
      came.push([handle.nodeId, kind, kind === "down" ? `${settled.reason}, ${settled.infra}` : settled.out, seq]);
    }
    await turn(scope, next, { input: 10, output: 5, usd: "0.001" });
    return { again: again.ok && again.settled?.out, next, came: came.sort() };
  });
  const result = await createSupervisor({ ledger }).run(root, null, { ...LOST_RUN, resume: true });
  expect(result).toMatchObject({
    kind: "winner",
    out: { again: { said: "keyed" }, next: 2 },
    downCount: 2,
    // Driver inference: 100/50, 40/20, 10/5, and the two calls that were lost, as dear as the dearest of their drivers: 0.01 and 0.04.
    // Child work: 10/5 twice, and the ceilings of the worker that was lost, 100 tokens and 0.1 dollars.
    spentBreakdown: {
      driverInference: { input_tokens: 150, output_tokens: 75, usd: "0.101", iterations: 0, tokens_known: false },
      childWork: { input_tokens: 20, output_tokens: 10, charged_tokens: 130, usd: "0.1", iterations: 3 },
      total: { charged_tokens: 355, usd: "0.201", iterations: 3, usd_known: false },
    },
    spendGaps: [
      { nodeId: "r", gap: "unreported", channels: ["tokens"] },
      { nodeId: "r:s2", gap: "unreported" },
      { nodeId: "r:s3", gap: "unreported", channels: ["tokens"] },
    ],
    leakedReservations: [],
  });
  const came = (result as { out?: { came: unknown[] } }).out?.came;
  expect(came).toEqual([
    ["r:s1", "done", { said: "undelivered" }, 1],
    ["r:s2", "down", "lease-expired, true", expect.any(Number)],
    ["r:s3", "down", "lease-expired, true", expect.any(Number)],
  ]);
  const [top] = await ledger.trajectory("r");
  expect(top).toMatchObject({ rolled_up_charged_tokens: "355", rolled_up_usd: "0.201", rolled_up_iterations: "3" });
  const channels = await ledger.db
    .selectFrom("channels")
    .select(["channel", "committed"])
    .where("pool_id", "=", "r")
    .execute();
  expect(Object.fromEntries(channels.map(({ channel, committed }) => [channel, committed]))).toEqual({
    tokens: "355",
    usd: "0.201",
    iterations: "3",
  });
}, 60_000);

it("goes on counting what went down: the breaker remembers", async () => {
  const first = await clients.open();
  const restarts = { restarts: { maxRestarts: 1, withinMs: 600_000 } };
  const fail = async (scope: Scope): Promise<void> => {
    await scope.spawn(failing, null, { label: "w", budget: PAID });
    await scope.next();
  };
  await lostLife(first, fail, restarts);
  const ledger = clients.again(first);
  const root = agent(async (scope) => {
    await fail(scope);
    return "value";
  });
  const result = await createSupervisor({ ledger }).run(root, null, { ...OPTIONS, ...restarts, resume: true });
  expect(result).toMatchObject({ kind: "no-winner", reason: "all-children-down", downCount: 2 });
});

it("waits for leases that were left, at most as long as its own; then it has no winner yet, and can be ended later", async () => {
  const first = await clients.open();
  await first.openPool(OPTIONS.budget, { poolId: "r", run: { label: "r" }, maxDepth: 4 });
  // A worker of somebody else, who is alive.
  const reserved = await first.pool("r").reserve(PAID, { label: "foreign" });
  if (!reserved.ok) throw new Error("there is room");
  const ledger = clients.again(first);
  let ran = 0;
  const root = agent(async () => {
    ran += 1;
    return "value";
  });
  const resume = (driver = root) => createSupervisor({ ledger }).run(driver, null, { ...OPTIONS, resume: true });
  const held = { code: "LG007", retryable: true, detail: { run_id: "r", nodes: ["r:s0"] } };
  await expect(resume()).rejects.toMatchObject(held);
  const leaked = [{ nodeId: "r:s0", held: { tokens: "100", iterations: "1", usd: "0.1" } }];
  const left = await resume(agent<string>(async () => undefined));
  expect(left).toMatchObject({
    kind: "no-winner",
    spendGaps: [{ nodeId: "r:s0", gap: "never-settled", channels: ["tokens", "iterations", "usd"] }],
    leakedReservations: leaked,
    tree: [{ status: "pending" }, { status: "pending" }],
  });
  expect(left.leakedReservations[0]?.leaseAt).toBeInstanceOf(Date);
  await first.apply([{ op: "cancel", operation_id: randomUUID(), node_id: "r:s0", reason: "not needed" }]);
  expect(await resume()).toMatchObject({
    kind: "winner",
    leakedReservations: [],
    spendGaps: [],
    tree: [{ status: "done" }, {}],
  });
  expect(ran).toBe(2);
});

it("a driver that was given up and is heard of after all: its figures take the place of the estimate", async () => {
  const ledger = await clients.open();
  const controller = new AbortController();
  let answered = (): void => {};
  let late: Promise<void> = Promise.resolve();
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 100, output: 50, usd: "0.02" });
    const detail = { kind: "driver-inference", driver: "driver", turn: 1 } as const;
    const call = await scope.dispatchCall(detail);
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    late = answer
      .then(() => scope.meter({ input_tokens: 7, output_tokens: 3, usd: "0.005" }, { ...detail, toolCalls: [], call }))
      .then(() => undefined);
    controller.abort("enough");
    return new Promise<string>(() => {});
  });
  const supervisor = createSupervisor({ ledger });
  const given = await supervisor.run(root, null, { ...OPTIONS, signal: controller.signal });
  expect(given).toMatchObject({
    reason: "aborted",
    spentTotal: { charged_tokens: 150, usd: "0.04", tokens_known: false },
  });
  answered();
  await late;
  const known = { charged_tokens: 160, usd: "0.025", tokens_known: true, usd_known: true, ms: given.spentTotal.ms };
  const again = await supervisor.run(root, null, { ...OPTIONS, resume: true });
  expect(again).toMatchObject({ reason: "aborted", spentTotal: known, spendGaps: [] });
});

it("run by two at once, the first to end it says what it came to", async () => {
  const ledger = await clients.open();
  const other = clients.again(ledger);
  const slow = agent<string>(async () => {
    const fast = agent(async () => "fast");
    await createSupervisor({ ledger: other }).run(fast, null, { ...OPTIONS, resume: true });
    return "slow";
  });
  const result = await createSupervisor({ ledger }).run(slow, null, OPTIONS);
  expect(result).toMatchObject({ kind: "winner", out: "fast", tree: [{ status: "done" }] });
});
