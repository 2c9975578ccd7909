/** What a server that is bound to a pool or run shows: that and what is below, and its neighbours nowhere. */
import { expect, it } from "vitest";
import { type Binding, boundsOf } from "../../src/mcp/bounds.js";
import type { LedgerTool } from "../../src/mcp/tool.js";
import { audit } from "../../src/mcp/tools/audit.js";
import { breakdown } from "../../src/mcp/tools/breakdown.js";
import { budget } from "../../src/mcp/tools/budget.js";
import { gate } from "../../src/mcp/tools/gate.js";
import { question } from "../../src/mcp/tools/question.js";
import { trajectory } from "../../src/mcp/tools/trajectory.js";
import { TENANT, useBooks } from "./books.js";

const books = useBooks();

/** Words that only the neighbour's books have, and those of the pools beside. */
const NEIGHBOUR = /secret|elsewhere|other/i;

it("shows a pool and the runs below it, in every tool and question", async () => {
  const { client, ask, question } = await books.agent({ pool: "project" });
  expect(client.getInstructions()).toContain("Bound to pool project");
  expect((await ask("budget")).content).toMatchObject({ pool_id: "project", usdLeft: "22.802" });
  expect((await ask("budget", { pool: "review:d" })).content.pool_id).toBe("review:d");
  expect((await ask("breakdown", { run: "draft-x" })).content.sources[2]).toMatchObject({ usd: "0.1" });
  expect((await ask("breakdown")).error).toMatchObject({ code: "LG001", path: "arguments.run" });
  expect((await ask("gate", { experiment: "drafts" })).content.verdict).toBe("equal");
  // One of its arms is the neighbour's.
  expect((await ask("gate", { experiment: "shared" })).error).toMatchObject({
    code: "LG001",
    path: "arguments.experiment",
  });
  expect((await ask("gate", { experiment: "nothing" })).error).toMatchObject({ code: "LG010" });
  const answers: unknown[] = [];
  for (const name of ["balances", "refusals", "open_holds", "bill", "runs", "models_per_day", "tools"]) {
    answers.push(await question(name));
  }
  for (const name of ["corrections", "uncertain", "calls_in_doubt", "spend_gaps", "tool_findings"])
    answers.push(await question(name));
  for (const rows of answers) expect(rows).not.toEqual([]);
  answers.push((await ask("audit")).content, await question("arms", { experiment: "drafts" }));
  expect(JSON.stringify(answers)).not.toMatch(NEIGHBOUR);
  for (const name of ["health", "arms"]) {
    expect((await ask("question", { question: name })).error, name).toMatchObject({
      code: "LG001",
      path: "arguments.question",
    });
  }
});

it("answers of what is not shown as of what is not there", async () => {
  const { ask } = await books.agent({ run: "review" });
  const refusals = async (id: string) => [
    (await ask("budget", { pool: id })).error,
    (await ask("breakdown", { run: id })).error,
    (await ask("trajectory", { run: id })).error,
    (await ask("question", { question: "balances", pool: id })).error,
    (await ask("question", { question: "tools", run: id })).error,
  ];
  const hidden = await refusals("other");
  expect(hidden.map(({ code }) => code)).toEqual(["LG002", "LG003", "LG003", "LG002", "LG003"]);
  expect(hidden[0]).toMatchObject({
    path: "arguments.pool",
    rule: "there is no pool other at or below pool review, which is all that this server shows",
  });
  expect(JSON.parse(JSON.stringify(await refusals("nobody")).replaceAll("nobody", "other"))).toEqual(hidden);
  // The pool above is a neighbour too, though its dollars pay.
  expect((await ask("budget", { pool: "project" })).error.code).toBe("LG002");
});

it("is about its run where none is named", async () => {
  const { ask, question } = await books.agent({ run: "review" });
  expect((await ask("budget")).content.pool_id).toBe("review");
  expect((await ask("breakdown")).content.sources[2]).toMatchObject({ source: "total", usd: "0.086" });
  expect((await ask("trajectory")).content.nodes_total).toBe("5");
  expect(await question("money_by_node")).toMatchObject([
    { node_id: "review:w", own_usd: "0.07" },
    { node_id: "review", own_usd: "0.012" },
    { node_id: "review:d:w", own_usd: "0.004" },
    { node_id: "review:d", own_usd: "0", rolled_up_usd_known: false },
    { node_id: "review:h", own_usd: "0" },
  ]);
  expect((await question("runs")).map(({ run_id }) => run_id)).toEqual(["review"]);
});

it("shows a driver inside a run its own part of it", async () => {
  const { ask, question } = await books.agent({ pool: "review:d" });
  const { content } = await ask("trajectory");
  expect(content).toMatchObject({
    run_id: "review",
    nodes_total: "2",
    nodes: [{ node_id: "review:d" }, { node_id: "review:d:w" }],
  });
  expect((await ask("breakdown")).error).toMatchObject({ code: "LG001", path: "arguments.run" });
  expect((await ask("breakdown", { run: "review" })).error.code).toBe("LG003");
  expect((await ask("question", { question: "tools" })).error).toMatchObject({
    code: "LG001",
    path: "arguments.question",
  });
  expect((await question("models_per_day")).map(({ model, usd }) => [model, usd])).toEqual([
    ["large", null],
    ["small", "0.004"],
  ]);
  expect((await question("refusals")).map(({ code }) => code)).toEqual(["usd-sealed"]);
});

it("goes on in a trajectory behind a node that it shows, and knows no other; every page tells how many there are", async () => {
  const { ask } = await books.agent({ pool: "review:d" });
  const behind = async (after: string) => (await ask("trajectory", { after })).error;
  const hidden = await behind("review:w");
  expect(hidden).toMatchObject({ code: "LG003", path: "arguments.after" });
  for (const after of ["review", "nobody"])
    expect(JSON.parse(JSON.stringify(await behind(after)).replaceAll(after, "review:w"))).toEqual(hidden);
  expect((await ask("trajectory", { after: "review:d" })).content).toMatchObject({
    nodes_total: "2",
    nodes: [{ node_id: "review:d:w" }],
  });
  expect((await ask("trajectory", { after: "review:d:w" })).content).toMatchObject({ nodes_total: "2", nodes: [] });
});

it("tells a plan of an experiment without the names of a pool elsewhere", async () => {
  const { planRef } = await books.writer.registerPlan("drafts", "a plan", { poolId: "elsewhere" });
  const planShown = async (binding: Binding) => {
    const { content } = await (await books.agent(binding)).ask("gate", { experiment: "drafts" });
    return content.plan;
  };
  expect(await planShown({})).toMatchObject({ plan_ref: planRef, operation_id: expect.any(String) });
  const bound = await planShown({ pool: "project" });
  expect(bound).toEqual({
    registered_at: expect.any(String),
    spend_first: true,
    first_spend_at: expect.any(String),
  });
});

it("answers what names a pool or run below one with more than it can list, and refuses what is about all of them", async () => {
  const { ledger } = await books.agent();
  const answered = (most: number, tool: LedgerTool, asked: Record<string, unknown>, pool = "project") =>
    ledger.snapshot(async (db) => {
      const bounds = await boundsOf(db, TENANT, { pool }, most);
      return tool.answer({ db, tenantId: TENANT, bounds }, asked);
    });
  const named: [tool: LedgerTool, asked: Record<string, unknown>][] = [
    [budget, {}],
    [budget, { pool: "review:d" }],
    [breakdown, { run: "review" }],
    [trajectory, { run: "review" }],
    [gate, { experiment: "drafts" }],
    ...["balances", "refusals", "open_holds", "bill", "corrections", "uncertain"].map(
      (name): [LedgerTool, Record<string, unknown>] => [question, { question: name, pool: "project" }],
    ),
    ...["open_holds", "money_by_node", "models_per_day", "tools", "tool_findings", "uncertain", "spend_gaps"].map(
      (name): [LedgerTool, Record<string, unknown>] => [question, { question: name, run: "review" }],
    ),
    [question, { question: "arms", experiment: "drafts" }],
  ];
  // Five pools are at or below the project, two at or below the run: there, the pool above holds what the run is.
  for (const [tool, asked] of named)
    expect(await answered(4, tool, asked), JSON.stringify(asked)).toEqual(await answered(5, tool, asked));
  const holds = { question: "open_holds", run: "review" };
  expect(await answered(1, question, holds, "review")).toEqual(await answered(2, question, holds, "review"));
  expect((await answered(2, question, holds, "review")).says).toBe("open_holds: 2 rows");
  for (const name of ["balances", "refusals", "runs", "models_per_day", "tools", "spend_gaps"]) {
    await expect(answered(4, question, { question: name }), name).rejects.toMatchObject({
      code: "LG001",
      detail: { path: "arguments", rule: expect.stringMatching(/^ask too much: .*Name a pool or run/) },
    });
  }
  await expect(answered(4, audit, {})).rejects.toMatchObject({ code: "LG001" });
  for (const [tool, asked, code] of [
    [budget, { pool: "elsewhere" }, "LG002"],
    [breakdown, { run: "other" }, "LG003"],
    [gate, { experiment: "shared" }, "LG001"],
    [gate, { experiment: "nothing" }, "LG010"],
  ] as const)
    await expect(answered(4, tool, asked)).rejects.toMatchObject({ code });
});

it("says that what it is bound to is not there, and answers once it is", async () => {
  const late = await books.agent({ pool: "later" });
  expect((await late.ask("budget")).error).toMatchObject({ code: "LG002", path: "pool" });
  const noRun = await books.agent({ run: "project" });
  expect((await noRun.ask("budget")).error).toMatchObject({ code: "LG003", path: "run" });
  await books.writer.openPool({ usd: "3" }, { poolId: "later" });
  expect((await late.ask("budget")).content.usdLeft).toBe("3");
});
