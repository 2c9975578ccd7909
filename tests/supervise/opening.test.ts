/** Starting a run once, and coming back to it: who may, with what, and what is written. */
import { describe, expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { RunOptions } from "../../src/supervise/run/run-options.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";
import { agent } from "./agents.js";

const clients = useClients();

const BUDGET = { tokens: 1_000, usd: "0.50", gpu_seconds: 7 };

const rows = async ({ db }: Ledger): Promise<number> =>
  Number(
    (
      await db
        .selectFrom("journal")
        .select((all) => all.fn.countAll().as("n"))
        .executeTakeFirst()
    )?.n,
  );

const value = agent(async () => "value");

/** A driver whose process is lost: its client closes under it. */
const lost = (ledger: Ledger) =>
  agent(async () => {
    await ledger.close();
    return "never heard";
  });

describe("a run", () => {
  it("whose options are malformed is refused, and nothing is written", async () => {
    const ledger = await clients.open();
    const malformed: [more: Partial<Record<keyof RunOptions, unknown>>, path: string][] = [
      [{ runId: "" }, "options.runId"],
      [{ leaseMs: 0 }, "options.leaseMs"],
      [{ maxDepth: -1 }, "options.maxDepth"],
      [{ budget: { token: 1 } }, "options.budget.token"],
      [{ budget: { maxTokens: 1_000, maxUsd: "1" } }, "options.budget.maxTokens"],
      [{ restarts: { maxRestarts: 1 } }, "options.restarts.withinMs"],
      [{ signal: {} }, "options.signal"],
      [{ deadline: 5 } as object, "options"],
    ];
    for (const [more, path] of malformed) {
      const options = { runId: "r", budget: BUDGET, ...more } as RunOptions;
      const refused = createSupervisor({ ledger }).run(value, null, options);
      await expect(refused).rejects.toMatchObject({ code: "LG001", detail: { path } });
    }
    expect(() => createSupervisor({ ledger, hooks: [1 as never] })).toThrow("options.hooks.0");
    expect(await rows(ledger)).toBe(0);
  });

  it("is started once: its id is taken from then on, ended or not", async () => {
    const ledger = await clients.open();
    const supervisor = createSupervisor({ ledger });
    await supervisor.run(value, null, { runId: "r", budget: BUDGET });
    const before = await rows(ledger);
    const again = supervisor.run(value, null, { runId: "r", budget: BUDGET });
    await expect(again).rejects.toMatchObject({ code: "LG011", detail: { path: "options.runId" } });
    await ledger.openPool({}, { poolId: "pool" });
    const pool = supervisor.run(value, null, { runId: "pool", budget: {}, resume: true });
    await expect(pool).rejects.toMatchObject({ code: "LG011", detail: { path: "options.runId" } });
    expect(await rows(ledger)).toBe(before + 1);
  });

  it("started by four at once runs exactly once", async () => {
    const ledger = await clients.open();
    let ran = 0;
    const counting = agent(async () => {
      ran += 1;
      return "value";
    });
    const ledgers = [ledger, clients.again(ledger), clients.again(ledger), clients.again(ledger)];
    const results = await Promise.allSettled(
      ledgers.map((one) => createSupervisor({ ledger: one }).run(counting, null, { runId: "r", budget: BUDGET })),
    );
    const codes = results.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
    expect(codes).toEqual(["LG011", "LG011", "LG011"]);
    expect(ran).toBe(1);
  });
});

describe("a resume", () => {
  const identity = { label: "label", experiment: "E", arm: "a", task: "t", replicate: 1, deadlineMs: 3_600_000 };
  const options: RunOptions = { runId: "r", budget: BUDGET, ...identity, maxDepth: 2, tokenCharge: "uncached" };

  it("as another run is refused, and told what differs; nothing is written", async () => {
    const ledger = await clients.open();
    const supervisor = createSupervisor({ ledger });
    await supervisor.run(value, null, options);
    const before = await rows(ledger);
    const differing: [more: Partial<RunOptions>, paths: string[]][] = [
      [{ budget: { ...BUDGET, tokens: 2_000 } }, ["budget.tokens"]],
      [{ budget: { tokens: 1_000, usd: 0.5 } }, ["budget.gpu_seconds"]],
      [{ budget: { ...BUDGET, iterations: 0 } }, ["budget.iterations"]],
      [{ label: "other", arm: "b" }, ["label", "arm"]],
      [{ replicate: 2 }, ["replicate"]],
      [{ deadlineMs: 7_200_000 }, ["deadlineMs"]],
      [{ tokenCharge: "total", unknownUsd: "flag" }, ["unknownUsd", "tokenCharge"]],
      [{ maxDepth: 3 }, ["maxDepth"]],
      [{ parentPoolId: "elsewhere" }, ["parentPoolId"]],
    ];
    for (const [more, paths] of differing) {
      await expect(supervisor.run(value, null, { ...options, ...more, resume: true })).rejects.toMatchObject({
        code: "LG005",
        detail: { path: `options.${paths[0]}`, differences: paths.map((path) => ({ path })) },
      });
    }
    expect(await rows(ledger)).toBe(before);
  });

  it("goes on with the run that is there, under a parent too: one opening, the first deadline", async () => {
    const first = await clients.open();
    await first.openPool(
      { tokens: 5_000, usd: 1, gpu_seconds: 7 },
      { poolId: "team", deadlineMs: 60_000, maxDepth: 2 },
    );
    const below = { ...options, parentPoolId: "team", tokenCharge: "total" as const };
    await expect(createSupervisor({ ledger: first }).run(lost(first), null, below)).rejects.toThrow();
    const second = clients.again(first);
    await second.pool("team").fund({ tokens: 1 });
    const opened = () =>
      second.db.selectFrom("pools").select(["opened_at", "deadline_at"]).where("pool_id", "=", "r").executeTakeFirst();
    const before = await opened();
    // The same amounts in other words; the tighter of two deadlines stays.
    const budget = { gpu_seconds: "7.0", usd: 0.5, tokens: "1000" };
    const seen: unknown[] = [];
    const reading = agent(async (scope) => {
      seen.push((await scope.budget()).deadlineMs);
      return "value";
    });
    const again = { ...below, budget, resume: true };
    const result = await createSupervisor({ ledger: second }).run(reading, null, again);
    expect(result).toMatchObject({ kind: "winner", out: "value" });
    expect(seen).toEqual([before?.deadline_at?.getTime()]);
    expect(await opened()).toEqual(before);
    const rowsOf = await second.db.selectFrom("journal").select("kind").where("pool_id", "=", "r").execute();
    expect(rowsOf.map(({ kind }) => kind)).toEqual(["opened", "closed"]);
    expect(await second.pool("team").readout()).toMatchObject({ tokensLeft: 5_001 });
    // Ended, it answers what it came to, also when its budget went back.
    expect(await createSupervisor({ ledger: second }).run(value, null, again)).toEqual(result);
  });

  it("of a run that does not exist starts it", async () => {
    const ledger = await clients.open();
    const result = await createSupervisor({ ledger }).run(value, null, { ...options, resume: true });
    expect(result).toMatchObject({ kind: "winner", out: "value", spentTotal: { charged_tokens: 0 } });
  });

  it("that the parent cannot pay for is refused, and may be tried again", async () => {
    const ledger = await clients.open();
    const parent = await ledger.openPool({ tokens: 10 }, { poolId: "team" });
    const short = { runId: "r", budget: { tokens: 100 }, parentPoolId: "team", resume: true };
    const refused = createSupervisor({ ledger }).run(value, null, short);
    await expect(refused).rejects.toMatchObject({ code: "budget-exhausted", name: "refused" });
    await parent.fund({ tokens: 90 });
    expect(await createSupervisor({ ledger }).run(value, null, short)).toMatchObject({ kind: "winner" });
    expect(await parent.readout()).toMatchObject({ tokensLeft: 100 });
  });
});
