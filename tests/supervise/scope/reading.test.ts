/** What the rows of a run come to, by whichever verb they are read: what is known, what was corrected since, named resources. */
import { describe, expect, it } from "vitest";
import type { Ledger } from "../../../src/ledger/ledger.js";
import { driverChild } from "../../../src/supervise/agent.js";
import { worker } from "../../../src/supervise/executors.js";
import { readResult } from "../../../src/supervise/run/reading-result.js";
import type { Spent } from "../../../src/supervise/settled.js";
import { useClients } from "../../ledger/client.js";
import { agent, echo, turn } from "../agents.js";
import { openRun } from "./run.js";

const clients = useClients();

const BUDGET = { tokens: 100, iterations: 1, usd: "0.1" };
const NO_WINNER = { kind: "no-winner", reason: "all-children-down" } as const;

const spending = (spent: object) => worker("spending", () => ({ out: 1, verdict: { valid: true }, spent }));

const figures = (spent: Spent | null | undefined) =>
  spent && [spent.charged_tokens, spent.usd, spent.tokens_known, spent.usd_known];

async function operationOf(ledger: Ledger, nodeId: string): Promise<string> {
  const row = await ledger.db
    .selectFrom("journal")
    .select("operation_id")
    .where("node_id", "=", nodeId)
    .where("kind", "in", ["settled", "metered"])
    .orderBy("seq", "desc")
    .executeTakeFirstOrThrow();
  return row.operation_id;
}

async function correct(ledger: Ledger, of: string, spend: object): Promise<void> {
  const operation = { op: "correct", operation_id: `correct:${of}`, of, reason: "invoice", spend };
  expect(await ledger.apply([operation])).toMatchObject([{ status: "ok" }]);
}

describe("own spend", () => {
  it("says what is unknown of a node itself, whatever is unknown below it", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const known = async () =>
      (await scope.view()).map(({ own, rolledUp }) => [
        [own.tokens_known, own.usd_known],
        [rolledUp.tokens_known, rolledUp.usd_known],
      ]);
    const all = [true, true];
    const none = [false, false];
    await scope.spawn(spending({ input_tokens: 1, output_tokens: 1, usd: 0 }), 1, { label: "a", budget: BUDGET });
    await scope.next();
    expect(await known()).toEqual([
      [all, all],
      [all, all],
    ]);
    await scope.spawn(spending({}), 1, { label: "b", budget: BUDGET });
    await scope.next();
    expect(await known()).toEqual([
      [all, none],
      [all, all],
      [none, none],
    ]);
    await turn(scope, 0, { input: 1, output: 1, usd: 0 });
    await turn(scope, 1, { usd: "0.01" });
    expect((await known())[0]).toEqual([[false, true], none]);
    const call = await operationOf(ledger, "r");
    await correct(ledger, call, { iterations: 0, input_tokens: 5, output_tokens: 5, usd: "0.01" });
    expect((await known())[0]).toEqual([all, none]);
  });
});

describe("a child", () => {
  it("has the same spend by every verb after it was corrected", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger, { tokens: 1_000, iterations: 10, usd: 1, gpu: 10 });
    const paid = { input_tokens: 10, output_tokens: 5, usd: 0, resources: { gpu: { amount: 3 } } };
    await scope.spawn(spending(paid), 1, { label: "w", budget: { ...BUDGET, gpu: 5 } });
    await scope.settleWithin(5_000);
    const truth = { iterations: 1, input_tokens: 70, output_tokens: 20, usd: "0.05" };
    await correct(ledger, await operationOf(ledger, "r:s0"), { ...truth, resources: { gpu: { amount: "2.5" } } });
    const ends = [await scope.child("r:s0"), ...(await scope.children()), await scope.next()];
    for (const end of ends) {
      const spent = end && "spent" in end ? end.spent : null;
      expect(figures(spent)).toEqual([90, "0.05", true, true]);
      expect(spent?.resources).toEqual({ gpu: { amount: "2.5" } });
    }
    expect(figures((await scope.view())[1]?.own)).toEqual([90, "0.05", true, true]);
  });

  it("that drives has what its pool booked after its end", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    const nested = driverChild(agent(async (own) => turn(own, 0, { input: 10, output: 5, usd: "0.01" })));
    await scope.spawn(nested, null, { label: "n", budget: { tokens: 500, iterations: 5, usd: "0.5" } });
    await scope.settleWithin(5_000);
    await ledger.pool("r:s0").observe({ input_tokens: 1, output_tokens: 1, usd: "0.1", usd_known: false });
    await ledger.pool("r:s0").observe({ input_tokens: 1, output_tokens: 1, usd: "0.02" });
    const ends = [await scope.child("r:s0"), ...(await scope.children()), await scope.next()];
    for (const end of ends) {
      expect(figures(end && "spent" in end ? end.spent : null)).toEqual([19, "0.13", true, false]);
    }
    expect(figures((await scope.view())[1]?.rolledUp)).toEqual([19, "0.13", true, false]);
  });
});

describe("named resources", () => {
  it("say where a part of them is a ceiling charged for silence", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger, { tokens: 1_000, iterations: 10, usd: 1, gpu: 100 });
    const pool = ledger.pool("r");
    const paid = { input_tokens: 1, output_tokens: 1, usd: 0, resources: { gpu: { amount: 2 } } };
    await scope.spawn(spending(paid), 1, { label: "w", budget: { ...BUDGET, gpu: 10 } });
    await scope.next();
    expect((await readResult(ledger, "r", NO_WINNER)).spentTotal.resources).toEqual({ gpu: { amount: "2" } });
    const lost = await pool.reserve({ ...BUDGET, gpu: 10 }, { label: "lost" });
    if (!lost.ok) throw new Error(lost.code);
    await pool.dispatch(lost.ticket);
    await pool.cancel(lost.ticket, { reason: "gone" });
    const { spentBreakdown, spentTotal } = await readResult(ledger, "r", NO_WINNER);
    expect([spentTotal.resources, spentBreakdown.driverInference.resources]).toEqual([
      { gpu: { amount: "12", known: false } },
      null,
    ]);
    expect((await scope.child(lost.ticket.nodeId))?.spent?.resources).toEqual({ gpu: { amount: "10", known: false } });
  });

  it("may be named like what every object has", async () => {
    const ledger = await clients.open();
    const { scope } = await openRun(ledger);
    for (const name of ["constructor", "gpu", "toString"]) {
      const spent = { input_tokens: 1, output_tokens: 1, usd: 0, resources: { [name]: { amount: 1 } } };
      await scope.spawn(spending(spent), 1, { label: name, budget: BUDGET });
      await scope.next();
    }
    const { spentTotal } = await readResult(ledger, "r", NO_WINNER);
    expect(Object.entries(spentTotal.resources ?? {})).toEqual(
      ["constructor", "gpu", "toString"].map((name) => [name, { amount: "1" }]),
    );
  });
});

it("a verdict of a driver is that of the child whose artifact is kept", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  const empty = worker("empty", () => ({
    out: undefined,
    verdict: { valid: true, score: 0.9 },
    spent: { input_tokens: 1, output_tokens: 1, usd: 0 },
  }));
  const both = driverChild(
    agent(async (own) => {
      for (const one of [empty, echo]) {
        await own.spawn(one, 1, { label: "w", budget: { tokens: 50, iterations: 1, usd: "0.1" } });
        await own.next();
      }
      return "chosen";
    }),
  );
  await scope.spawn(both, null, { label: "n", budget: { tokens: 500, iterations: 5, usd: "0.5" } });
  expect(await scope.next()).toMatchObject({ kind: "done", verdict: { valid: true, score: 0.5 } });
});
