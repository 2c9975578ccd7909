/** Runs that have a result: what they answer and what they spent, to the token, read from the views. */
import { expect, it } from "vitest";
import { driverChild } from "../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../src/supervise/driver/driver.js";
import { scriptedChat } from "../../src/supervise/driver/scripted-chat.js";
import { worker } from "../../src/supervise/executors.js";
import type { HookEvent } from "../../src/supervise/hooks.js";
import type { SupervisedResult } from "../../src/supervise/result.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";
import { agent, echo, endless, failing, ROOM, turn } from "./agents.js";
import { calls, driverOf } from "./driver/workers.js";

const clients = useClients();

/** The root's turn, a nested driver's, and a leaf's work below that. */
const nested = driverChild(
  agent(async (scope) => {
    await turn(scope, 0, { input: 100, output: 65, usd: 0.05 });
    await scope.spawn(echo, "deep", { label: "leaf", budget: ROOM });
    const settled = await scope.next();
    return settled?.kind === "done" ? settled.out : undefined;
  }),
);

it("three turns and one worker: a winner, its spend by source, and three turn events", async () => {
  const ledger = await clients.open();
  const events: HookEvent[] = [];
  const supervisor = createSupervisor({ ledger, hooks: [(event) => void events.push(event)] });
  const chat = scriptedChat([
    { ...calls("spawn_worker", { profile: "echo", task: "hi" }), usage: { input: 100, output: 50 }, costUsd: 0.01 },
    { ...calls("await_event"), usage: { input: 80, output: 40 }, costUsd: 0.008 },
    { content: "done", usage: { input: 30, output: 10 }, costUsd: 0.002 },
  ]);
  const budget = { tokens: 1_000, iterations: 5, usd: 1 };
  const options = { runId: "r", budget };
  const result = await supervisor.run(coordinationDriverAgent(driverOf(chat)), "do it", options);
  expect(result).toMatchObject({
    kind: "winner",
    runId: "r",
    out: { said: "hi" },
    outRef: await ledger.putArtifact({ said: "hi" }),
    verdict: { valid: true },
    spentBreakdown: {
      childWork: { input_tokens: 10, output_tokens: 5, iterations: 1 },
      driverInference: { input_tokens: 210, output_tokens: 100, usd: "0.02", iterations: 0 },
      total: { input_tokens: 220, output_tokens: 105, usd: "0.02", iterations: 1, tokens_known: true, usd_known: true },
    },
    spentTotal: { input_tokens: 220, output_tokens: 105, usd: "0.02", iterations: 1, charged_tokens: 325 },
    spendGaps: [],
    leakedReservations: [],
    downCount: 0,
    tree: [
      { nodeId: "r", parentId: null, status: "done", driver: true, rolledUp: { charged_tokens: 325 } },
      { nodeId: "r:s0", parentId: "r", status: "done", driver: false, own: { charged_tokens: 15 } },
    ],
  });
  const turns = events.filter(({ target }) => target === "agent.turn").map(({ payload }) => payload);
  expect(turns.map(({ turn: number, toolCalls }) => [number, toolCalls])).toEqual([
    [0, ["spawn_worker"]],
    [1, ["await_event"]],
    [2, []],
  ]);
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  const [root] = await ledger.trajectory("r");
  expect(root).toMatchObject({ status: "done", rolled_up_charged_tokens: "325", rolled_up_usd: "0.02" });
  const committed = await ledger.db.selectFrom("channels").select(["channel", "committed"]).execute();
  expect(committed).toEqual(
    expect.arrayContaining([
      { channel: "tokens", committed: "325" },
      { channel: "usd", committed: "0.02" },
      { channel: "iterations", committed: "1" },
    ]),
  );
  const node = await ledger.db.selectFrom("nodes").selectAll().where("node_id", "=", "r").executeTakeFirst();
  const wall = Number(node?.ended_at?.getTime()) - Number(node?.spawned_at.getTime());
  expect(result.spentTotal.ms).toBe(wall);
});

it("a nested driver's inference and its leaf's work are counted once", async () => {
  const ledger = await clients.open();
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 170, output: 90, usd: 0.02 });
    await scope.spawn(nested, null, { label: "nested", budget: { tokens: 500, iterations: 2, usd: 0.1 } });
    const settled = await scope.next();
    return settled?.kind === "done" ? settled.out : undefined;
  });
  const result = await createSupervisor({ ledger }).run(root, null, {
    runId: "r",
    budget: { tokens: 1_000, iterations: 5, usd: 1 },
  });
  expect(result).toMatchObject({
    kind: "winner",
    out: { said: "deep" },
    verdict: { valid: true, score: 0.5 },
    spentBreakdown: {
      driverInference: { input_tokens: 270, output_tokens: 155, usd: "0.07" },
      childWork: { input_tokens: 10, output_tokens: 5, usd: "0" },
      total: { input_tokens: 280, output_tokens: 160, usd: "0.07" },
    },
    tree: [{ nodeId: "r" }, { nodeId: "r:s0", verdict: { valid: true, score: 0.5 } }, { nodeId: "r:s0:s0", depth: 2 }],
  });
});

it("a nested driver that crashes is down; what it metered stays", async () => {
  const ledger = await clients.open();
  const crashing = driverChild(
    agent(async (scope) => {
      await turn(scope, 0, { input: 40, output: 20, usd: 0 });
      throw new Error("crashed");
    }),
  );
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 100, output: 50, usd: 0 });
    await scope.spawn(crashing, null, { label: "nested", budget: { tokens: 500, iterations: 2 } });
    return (await scope.next())?.kind;
  });
  const result = await createSupervisor({ ledger }).run(root, null, { runId: "r", budget: { tokens: 1_000 } });
  expect(result).toMatchObject({
    kind: "winner",
    out: "down",
    verdict: { valid: false },
    spentBreakdown: {
      driverInference: { input_tokens: 140, output_tokens: 70 },
      childWork: { input_tokens: 0, output_tokens: 0 },
    },
    downCount: 1,
    tree: [{ nodeId: "r" }, { nodeId: "r:s0", status: "down", reason: "crashed", infra: false }],
  });
});

it("a silent and a cost-only turn leave unknowns, and the gate over the run is inconclusive", async () => {
  const ledger = await clients.open();
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 100, output: 50, usd: 0.01 });
    await turn(scope, 1, {});
    await turn(scope, 2, { usd: 0 });
    return "said";
  });
  const run = (arm: string) =>
    createSupervisor({ ledger }).run(root, null, { runId: arm, budget: { tokens: 1_000 }, experiment: "E", arm });
  const result = await run("a");
  await run("b");
  expect(result).toMatchObject({
    kind: "winner",
    spentBreakdown: {
      driverInference: { input_tokens: 100, output_tokens: 50, usd: "0.01", tokens_known: false, usd_known: false },
    },
    spendGaps: [{ nodeId: "a", gap: "unreported", channels: ["tokens", "usd"] }],
  });
  const rows = await ledger.db
    .selectFrom("journal")
    .select(["tokens_known", "usd_known"])
    .where("pool_id", "=", "a")
    .where("kind", "=", "metered")
    .orderBy("seq")
    .execute();
  expect(rows).toEqual([
    { tokens_known: true, usd_known: true },
    { tokens_known: false, usd_known: false },
    { tokens_known: false, usd_known: true },
  ]);
  const gate = await ledger.equalK("E");
  expect(gate.find(({ channel }) => channel === "all")?.verdict).toBe("inconclusive");
});

it("named resources are told by source; a driver's transfer to its parent is not counted again", async () => {
  const ledger = await clients.open();
  const rendering = driverChild(
    agent(async (scope) => {
      const detail = { kind: "driver-inference", driver: "driver", turn: 0, toolCalls: [] } as const;
      const resources = { gpu_seconds: { amount: "0.25" } };
      await scope.meter({ input_tokens: 1, output_tokens: 1, usd: 0, resources }, detail);
      return "rendered";
    }),
  );
  const root = agent(async (scope) => {
    await scope.spawn(rendering, null, { label: "nested", budget: { tokens: 100, gpu_seconds: 2 } });
    return (await scope.next())?.kind;
  });
  const result = await createSupervisor({ ledger }).run(root, null, {
    runId: "r",
    budget: { tokens: 1_000, gpu_seconds: 10 },
  });
  expect(result.spentBreakdown).toMatchObject({
    driverInference: { resources: { gpu_seconds: { amount: "0.25" } } },
    childWork: { resources: null },
    total: { resources: { gpu_seconds: { amount: "0.25" } } },
  });
});

it("hooks that throw, reject or never end change nothing of what the run answers and books", async () => {
  const root = agent(async (scope) => {
    await turn(scope, 0, { input: 1, output: 1, usd: 0 });
    await scope.spawn(echo, "a", { label: "a", budget: ROOM });
    await scope.spawn(failing, "b", { label: "b", budget: ROOM });
    while (await scope.next());
    return "value";
  });
  const heard: string[] = [];
  const errors: string[] = [];
  const run = async (disturbed: boolean): Promise<SupervisedResult<string>> => {
    const ledger = await clients.open();
    const hooks = [
      () => {
        throw new Error("thrown");
      },
      () => Promise.reject(new Error("rejected")),
      () => new Promise<void>(() => {}),
      ({ id }: HookEvent) => void heard.push(id),
    ];
    const onHookError = (error: unknown): void => {
      errors.push((error as Error).message);
      throw error;
    };
    const supervisor = createSupervisor(disturbed ? { ledger, hooks, onHookError } : { ledger });
    return supervisor.run(root, null, { runId: "r", budget: { tokens: 1_000, iterations: 5 }, teardownGraceMs: 50 });
  };
  const withoutTime = ({ spentTotal, spentBreakdown, tree, ...rest }: SupervisedResult<string>) => ({
    ...rest,
    tree: tree.map(({ nodeId, status, reason, own }) => ({ nodeId, status, reason, tokens: own.charged_tokens })),
    spent: [spentTotal.charged_tokens, spentBreakdown.childWork.charged_tokens],
  });
  expect(withoutTime(await run(true))).toEqual(withoutTime(await run(false)));
  expect(heard.filter((id) => /spawn|turn/.test(id)).map((id) => id.replace(/\d+$/, ""))).toEqual([
    "r/turn/",
    "r:s0/spawn",
    "r:s1/spawn",
  ]);
  expect(heard).toHaveLength(5);
  expect(errors.sort()).toEqual([...Array(5).fill("rejected"), ...Array(5).fill("thrown")]);
});

it("children may end by themselves within the grace; without one they are aborted", async () => {
  let finish = (): void => {};
  const slow = worker("slow", async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return { out: "slow", verdict: { valid: true, score: 2 }, spent: { input_tokens: 3, output_tokens: 1, usd: 0 } };
  });
  const root = agent(async (scope) => {
    await scope.spawn(slow, null, { label: "slow", budget: ROOM });
    setImmediate(() => setImmediate(() => finish()));
    return "value";
  });
  const aborted = agent(async (scope) => {
    await scope.spawn(endless, null, { label: "slow", budget: ROOM });
    return "value";
  });
  const supervisor = createSupervisor({ ledger: await clients.open() });
  const budget = { tokens: 1_000, iterations: 5 };
  expect(await supervisor.run(root, null, { runId: "a", budget, settleGraceMs: 60_000 })).toMatchObject({
    kind: "winner",
    verdict: { valid: true, score: 2 },
    tree: [{}, { status: "done" }],
    spentTotal: { charged_tokens: 4 },
  });
  expect(await supervisor.run(aborted, null, { runId: "b", budget })).toMatchObject({
    kind: "winner",
    verdict: { valid: false },
    tree: [{}, { status: "down", reason: "the run has ended", infra: true }],
    spentTotal: { charged_tokens: 15 },
  });
});

it("what a driver left behind spawns nothing once it has ended", async () => {
  const ledger = await clients.open();
  const late: unknown[] = [];
  const driver = agent(async (scope) => {
    const first = await scope.spawn(endless, null, { label: "w", budget: ROOM });
    setImmediate(async () => {
      late.push(await scope.spawn(echo, null, { label: "late", budget: ROOM }));
      if (first.ok) scope.cancel(first.handle.nodeId, "not needed");
    });
    return "made";
  });
  const options = { runId: "r", budget: { tokens: 1_000, iterations: 5 }, settleGraceMs: 60_000 };
  const result = await createSupervisor({ ledger }).run(driver, null, options);
  expect(result).toMatchObject({ kind: "winner", out: "made" });
  expect(late).toEqual([{ ok: false, code: "scope-aborted", shortfall: [] }]);
  expect(result.tree.map(({ label, reason }) => [label, reason])).toContainEqual(["w", "not needed"]);
  expect(result.tree).toHaveLength(2);
});
