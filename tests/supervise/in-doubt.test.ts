/** What nobody answers for any more: calls of drivers that were lost, and children whose end could not be booked. */
import { expect, it } from "vitest";
import { driverChild } from "../../src/supervise/agent.js";
import { worker } from "../../src/supervise/executors.js";
import { LOST } from "../../src/supervise/scope/calls-in-doubt.js";
import type { Scope } from "../../src/supervise/scope.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";
import { agent, echo, turn } from "./agents.js";
import { PAID } from "./lost-run.js";

const clients = useClients();

const OPTIONS = { runId: "r", budget: { tokens: 1_000, iterations: 10, usd: 1 }, leaseMs: 300, teardownGraceMs: 50 };
const detail = { kind: "driver-inference", driver: "driver", turn: 0, model: "m" } as const;

it("a nested driver's lost call is in its settlement, and its room is not spent again", async () => {
  const first = await clients.open();
  const nested = driverChild(
    agent(async (scope) => {
      await scope.dispatchCall({ ...detail, maxUsd: "0.5" });
      await first.close();
    }),
  );
  const lost = agent(async (scope) => {
    await scope.spawn(nested, null, {
      label: "n",
      key: "k",
      budget: { tokens: 100, iterations: 1, usd: "0.5" },
    });
    await scope.next();
  });
  await expect(createSupervisor({ ledger: first }).run(lost, null, OPTIONS)).rejects.toThrow();

  const ledger = clients.again(first);
  const root = agent(async (scope: Scope) => {
    expect(await scope.next()).toMatchObject({
      reason: "lease-expired",
      spent: { usd: "0.5", usd_known: false, tokens_known: false },
    });
    expect(await scope.budget()).toMatchObject({ usdLeft: "0.5", usdKnown: false });
    return scope.spawn(echo, 1, { label: "again", budget: { tokens: 100, iterations: 1, usd: "1" } });
  });
  const result = await createSupervisor({ ledger }).run(root, null, { ...OPTIONS, resume: true });
  expect(result).toMatchObject({ out: { ok: false, code: "budget-exhausted" }, spentTotal: { usd: "0.5" } });
});

it("a ceiling that cannot be booked counts as not stated, also in a run that has ended", async () => {
  const ledger = await clients.open();
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 100, output: 50, usd: "0.02" });
    return "value";
  });
  const supervisor = createSupervisor({ ledger });
  const pool = await ledger.openPool(OPTIONS.budget, { poolId: "r", run: { label: "r" }, maxDepth: 4 });
  await pool.announce({ turn: 0, detail: { max_usd: "0.0033333333333333" } });
  const resumed = { ...OPTIONS, resume: true };
  expect(await supervisor.run(root, null, resumed)).toMatchObject({ kind: "winner", spentTotal: { usd: "0.02" } });

  const other = await ledger.openPool(OPTIONS.budget, { poolId: "other", run: { label: "other" }, maxDepth: 4 });
  await other.announce({ turn: 0, detail: { max_usd: "0.3" } });
  await other.reconcile({ nodeId: "other" }, null, { outcome: "down", reason: "aborted" });
  const ended = await supervisor.run(root, null, { ...resumed, runId: "other" });
  expect(ended).toMatchObject({ reason: "aborted", spentTotal: { usd: "0.3", usd_known: false, tokens_known: false } });
  expect(await ledger.db.selectFrom("calls_in_doubt").selectAll().execute()).toEqual([]);
  const rows = ledger.db.selectFrom("journal").select("detail").where("pool_id", "=", "other");
  expect(await rows.where("kind", "=", "metered").execute()).toMatchObject([{ detail: { inferenceFailed: LOST } }]);
});

it("a child whose end could not be booked ends by its lease, also where the same client goes on", async () => {
  const ledger = await clients.open();
  const role = new URL(clients.urlOf(ledger)).username;
  const cut = worker("cut", async () => {
    await clients.database.pool.query(`revoke ledger_writer from "${role}"`);
    return { out: 1, spent: { input_tokens: 1, output_tokens: 1, usd: 0 } };
  });
  const nested = driverChild(
    agent(async (scope) => {
      await scope.spawn(cut, 1, { label: "w", budget: PAID });
      await scope.next();
    }),
  );
  const first = agent(async (scope) => {
    await scope.spawn(nested, 1, { label: "n", key: "k", budget: { tokens: 200, iterations: 2, usd: "0.2" } });
    await scope.next();
  });
  const supervisor = createSupervisor({ ledger });
  await expect(supervisor.run(first, null, OPTIONS)).rejects.toMatchObject({ code: "42501" });
  await clients.database.pool.query(`grant ledger_writer to "${role}"`);
  const second = agent(async (scope) => {
    const settled = await scope.next();
    return settled?.kind === "down" && settled.reason;
  });
  const result = await supervisor.run(second, null, { ...OPTIONS, resume: true });
  expect(result).toMatchObject({ kind: "winner", out: "lease-expired", leakedReservations: [] });
});
