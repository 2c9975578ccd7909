/** Experiments by way of the client: plans, gates and comparisons, exact and typed. */
import { createHash } from "node:crypto";
import pg from "pg";
import { expect, it } from "vitest";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { useClients } from "./client.js";

const clients = useClients();

/** A run of one metered turn. */
async function run(ledger: Ledger, arm: string, task: string, tokens: number, usd: string): Promise<string> {
  const poolId = `${arm}-${task}`;
  const pool = await ledger.openPool({}, { poolId, run: { label: poolId, experiment: "E", arm, task } });
  await pool.observe({ input_tokens: tokens, output_tokens: 0, usd });
  return poolId;
}

async function judge(ledger: Ledger, runId: string, resolved: boolean): Promise<void> {
  const [answer] = await ledger.apply([{ op: "judge", operation_id: `judge ${runId}`, run_id: runId, resolved }]);
  expect(answer?.status).toBe("ok");
}

it("answers a gate with exact text, whole and by task", async () => {
  const ledger = await clients.open();
  await run(ledger, "a", "t", 100, "4740993.000000000001");
  await run(ledger, "b", "t", 103, "4740993.000000000001");
  await run(ledger, "b", "u", 1, "0");
  const rows = await ledger.equalK("E");
  expect(rows.map(({ channel, verdict, reason }) => [channel, verdict, reason])).toEqual([
    ["tokens", "inconclusive", "unbalanced"],
    ["usd", "inconclusive", "unbalanced"],
    ["all", "inconclusive", "unbalanced"],
  ]);
  const [first] = await ledger.equalKByTask("E", { tolerance: 0.03 });
  expect(first).toMatchObject({ task: "t", channel: "tokens", verdict: "equal", spread: "3", median: "101.5" });
  expect(first).toMatchObject({ fraction: "0.029556650246", tolerance: "0.03" });
  expect(rows[2]?.arms[0]?.cost).toEqual({ tokens: "100", usd: "4740993.000000000001", iterations: "0", ms: "0" });
});

it("compares outcomes only where the gate is equal", async () => {
  const ledger = await clients.open();
  for (const [index, [a, b]] of [
    [true, false],
    [true, true],
    [true, false],
  ].entries()) {
    await judge(ledger, await run(ledger, "a", `t${index}`, 10, "0.1"), a ?? false);
    await judge(ledger, await run(ledger, "b", `t${index}`, 10, "0.1"), b ?? false);
  }
  const outcomes = { runs_a: 3, runs_b: 3, errored_a: 0, errored_b: 0, unjudged_a: 0, unjudged_b: 0 };
  expect(await ledger.compareArms("E", "a", "b")).toEqual({
    ...{ experiment: "E", arm_a: "a", arm_b: "b", verdict: "equal", reason: null },
    outcomes: {
      ...{ ...outcomes, resolved_a: 3, resolved_b: 1, rate_a: "1", rate_b: "0.333333333333" },
      ...{ pairs: 3, both_resolved: 1, only_a: 2, only_b: 0, neither: 0, p_value: "0.5" },
    },
  });
  await run(ledger, "b", "more", 1, "0");
  expect(await ledger.compareArms("E", "a", "b")).toMatchObject({ verdict: "inconclusive", outcomes: null });
  await expect(ledger.compareArms("E", "a", "nobody")).rejects.toMatchObject({ code: "LG001" });
});

it("registers a plan once, in a pool that it opens", async () => {
  const ledger = await clients.open();
  const planRef = `sha256:${createHash("sha256").update("compare a with b").digest("hex")}`;
  const registered = { experiment: "E", planRef, poolId: "experiment:E", seq: 2 };
  expect(await ledger.registerPlan("E", "compare a with b")).toEqual(registered);
  expect(await clients.again(ledger).registerPlan("E", Buffer.from("compare a with b"))).toEqual(registered);
  await expect(ledger.registerPlan("E", "another")).rejects.toMatchObject({
    code: "LG011",
    message: `experiment E has another plan, in pool experiment:E: ${planRef}`,
    detail: { path: "experiment", registered: { plan_ref: planRef, pool_id: "experiment:E", seq: "2" } },
  });
  await ledger.openPool({ usd: 5 }, { poolId: "mine" });
  await expect(ledger.registerPlan("E", "compare a with b", { poolId: "mine" })).rejects.toMatchObject({
    code: "LG011",
    message: `experiment E has this plan already, in pool experiment:E: ${planRef}`,
  });
  expect(await ledger.registerPlan("F", new Uint8Array([0, 255]), { poolId: "mine" })).toMatchObject({ seq: 2 });
  await expect(ledger.registerPlan("G", "x", { poolId: "absent" })).rejects.toMatchObject({ code: "LG002" });
  await run(ledger, "a", "t", 1, "0.1");
  const [row] = await ledger.equalK("E");
  expect(row?.plan).toMatchObject({ plan_ref: planRef, spend_first: false });
  expect(await ledger.registerPlan("n".repeat(200), "x")).toMatchObject({ seq: 2 });
});

it("answers a gate and its outcomes as of one moment, whatever is spent between the two", async () => {
  const writer = await clients.open();
  await run(writer, "a", "t", 10, "0.1");
  await run(writer, "b", "t", 10, "0.1");
  const connections = new pg.Pool({ connectionString: clients.urlOf(writer), max: 4 });
  let spentBetween = 0;
  connections.on("connect", (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = (async (...args: [{ text?: string }]) => {
      if (args[0].text?.includes("ledger.compare_arms")) {
        await writer.pool("b-t").observe({ input_tokens: 1000, output_tokens: 0, usd: "9" });
        spentBetween += 1;
      }
      return query(...args);
    }) as typeof client.query;
  });
  const ledger = createLedger({ pool: connections, tenantId: writer.tenantId });
  const { rows, comparison } = await ledger.gateAndOutcomes("E", "a", "b");
  expect(spentBetween).toBe(1);
  expect([rows.at(-1)?.verdict, comparison.verdict]).toEqual(["equal", "equal"]);
  expect((await ledger.compareArms("E", "a", "b")).verdict).toBe("unequal");
  await expect(ledger.gateAndOutcomes("E", "a", "nobody")).rejects.toMatchObject({ code: "LG001" });
  expect((await ledger.equalK("E")).at(-1)?.verdict).toBe("unequal");
  await ledger.close();
  await connections.end();
});

it("refuses what is malformed, by path", async () => {
  const ledger = await clients.open();
  await expect(ledger.equalK("E")).rejects.toMatchObject({ code: "LG010" });
  await expect(ledger.equalK("E", { tolerance: "1.5" })).rejects.toMatchObject({ code: "LG001" });
  await expect(ledger.equalK("E", { tolerance: "much" })).rejects.toMatchObject({ code: "LG001" });
  await expect(ledger.equalK("E", { tolerance: Number.NaN })).rejects.toMatchObject({ code: "LG001" });
  await expect(ledger.equalK("")).rejects.toMatchObject({ code: "LG001", detail: { path: "experiment" } });
  await expect(ledger.registerPlan("E", 5 as never)).rejects.toMatchObject({ code: "LG001", detail: { path: "plan" } });
});
