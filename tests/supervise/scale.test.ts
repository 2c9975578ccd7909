/** A run of 1,000 workers and 10 nested drivers: every child delivered once, every token counted once, at every depth. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import type { UsageEvent } from "../../src/ledger/spend.js";
import { type Agent, driverChild, type Worker } from "../../src/supervise/agent.js";
import { coordinationDriverAgent } from "../../src/supervise/driver/driver.js";
import { type ScriptedAnswer, type ScriptLine, scriptedChat } from "../../src/supervise/driver/scripted-chat.js";
import type { Executor, ExecutorResult } from "../../src/supervise/executor.js";
import type { Scope } from "../../src/supervise/scope.js";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { useClients } from "../ledger/client.js";

const clients = useClients();

const WORKERS_PER_DRIVER = 90;
const WORKERS_OF_ROOT = 100;
/** The drivers below the root: two have one below them, one is a model's. */
const TREE: Readonly<Record<string, readonly string[]>> = {
  root: ["d0", "d1", "d2", "d3", "d4", "d5", "model", "d7"],
  d0: ["d8"],
  d1: ["d9"],
};
const CAP = 60;
/** Children that a driver keeps at work at a time. */
const AT_ONCE = 12;
const LIMIT_MS = 300_000;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** What the executors and drivers of the test have spent, by their own count. */
const bill = { tokens: 0, microUsd: 0, iterations: 0, inference: { tokens: 0, microUsd: 0 } };
const atWork = { now: 0, most: 0 };
/** Opens when a driver has met the cap: until then nobody finishes, so that it is met. */
let openGate = (): void => {};
const capMet = new Promise<void>((resolve) => {
  openGate = resolve;
});
const delivered = new Map<string, number>();

const dollars = (micro: number): string => (micro / 1e6).toFixed(6);

/** Spends by its number; every tenth tells it while it works. */
function worker(number: number): Worker {
  const [input, output, micro] = [10 + (number % 7), 3 + (number % 5), 100 + (number % 11)];
  const end = async (): Promise<ExecutorResult> => {
    await capMet;
    bill.tokens += input + output;
    bill.microUsd += micro;
    bill.iterations += 1;
    const spent = { iterations: 1, input_tokens: input, output_tokens: output, usd: dollars(micro) };
    return { out: { number }, verdict: { valid: true, score: number / 1_000 }, spent };
  };
  async function* stream(): AsyncGenerator<UsageEvent> {
    yield { type: "tokens", input, output };
    yield { type: "cost", usd: dollars(micro) };
    yield { type: "iteration" };
  }
  const executor = (): Executor => {
    atWork.now += 1;
    atWork.most = Math.max(atWork.most, atWork.now);
    const teardown = (): void => {
      atWork.now -= 1;
    };
    if (number % 10 === 0) return { runtime: "test", execute: stream, resultArtifact: end, teardown };
    return { runtime: "test", execute: end, teardown };
  };
  return { name: `w${number}`, runtime: "test", executor };
}

async function meterTurn(scope: Scope, driver: string, number: number): Promise<void> {
  const detail = { kind: "driver-inference", driver, turn: number } as const;
  const call = await scope.dispatchCall(detail);
  await scope.meter({ input_tokens: 50, output_tokens: 7, usd: "0.0005" }, { ...detail, toolCalls: [], call });
  countTurn(57, 500);
}

function countTurn(tokens: number, micro: number): void {
  bill.inference.tokens += tokens;
  bill.inference.microUsd += micro;
}

/** Takes one settlement; false where none is left. */
async function take(scope: Scope): Promise<boolean> {
  const settled = await scope.next();
  if (settled === null) return false;
  if (settled.kind === "down") throw new Error(`${settled.handle.label}: ${settled.reason}`);
  delivered.set(settled.handle.nodeId, (delivered.get(settled.handle.nodeId) ?? 0) + 1);
  return true;
}

/** Spawns the drivers below it and then its workers, so many at a time, waits for all, and answers its number of children. */
function program(name: string, first: number, workers: number): Agent {
  const act = async (_: unknown, scope: Scope): Promise<unknown> => {
    await meterTurn(scope, name, 0);
    for (const below of TREE[name] ?? []) {
      const room = below in TREE || below === "model" ? 3 : 1;
      const budget = { tokens: room * 10_000, iterations: room * 100, usd: String(room) };
      expect(await scope.spawn(driverChild(driver(below)), below, { label: below, budget })).toMatchObject({
        ok: true,
      });
    }
    for (const number of numbers(workers).map((index) => first + index)) {
      const options = { label: `w${number}`, key: `w${number}`, budget: { tokens: 40, iterations: 1, usd: "0.01" } };
      for (;;) {
        const spawned = await scope.spawn(worker(number), { number }, options);
        if (spawned.ok) break;
        expect(spawned.code).toBe("max-live-workers");
        openGate();
        if (scope.live() === 0 || !(await take(scope))) await pause(5);
      }
      if (scope.live() >= AT_ONCE + (TREE[name] ?? []).length) await take(scope);
    }
    while (await take(scope));
    await meterTurn(scope, name, 1);
    return { name };
  };
  return { name, act };
}

/** A driver whose model gives out what it can of its work, waits for it, and goes on with the rest in its next turn. */
function model(name: string, first: number): Agent {
  const left = numbers(WORKERS_PER_DRIVER).map((index) => first + index);
  function* script(): Generator<ScriptLine> {
    while (left.length > 0) {
      const batch = left.splice(0, AT_ONCE);
      const spawns = batch.map((number) => ({ name: "spawn_worker", arguments: { profile: "worker", task: number } }));
      yield turnOf([...spawns, ...batch.map(() => ({ name: "await_event" }))]);
      yield ({ messages }) => {
        const results = messages.slice(-2 * batch.length).map(({ content }) => JSON.parse(content));
        left.push(...batch.filter((_, place) => results[place].error === "max-live-workers"));
        return turnOf(left.length > 0 ? [{ name: "list_questions" }] : []);
      };
    }
  }
  return coordinationDriverAgent({
    name,
    chat: scriptedChat(script()),
    profiles: { worker: (task) => worker(Number(task)) },
    perWorker: { maxTokens: 40, maxIterations: 1, maxUsd: "0.01" },
    maxTurns: 0,
  });
}

/** One answer of the model, on the bill. */
function turnOf(toolCalls: ScriptedAnswer["toolCalls"]): ScriptedAnswer {
  countTurn(1_200, 10_000);
  return { toolCalls: toolCalls ?? [], usage: { input: 900, output: 300 }, costUsd: "0.01" };
}

function driver(name: string): Agent {
  const place = name === "model" ? 6 : Number(name.slice(1));
  const first = WORKERS_OF_ROOT + place * WORKERS_PER_DRIVER;
  return name === "model" ? model(name, first) : program(name, first, WORKERS_PER_DRIVER);
}

it(
  "counts everything once, and keeps to the cap of live workers",
  async () => {
    const ledger = await clients.open();
    const root = program("root", 0, WORKERS_OF_ROOT);
    const budget = { tokens: 1_000_000, iterations: 10_000, usd: "100" };
    const result = await createSupervisor({ ledger }).run(root, "all", { runId: "big", budget, maxLiveWorkers: CAP });

    expect(result).toMatchObject({
      kind: "winner",
      out: { name: "root" },
      spendGaps: [],
      leakedReservations: [],
      downCount: 0,
    });
    const total = {
      iterations: bill.iterations,
      charged_tokens: bill.tokens + bill.inference.tokens,
      usd: String((bill.microUsd + bill.inference.microUsd) / 1e6),
    };
    expect(bill.iterations).toBe(1_000);
    expect(result.spentTotal).toMatchObject({ ...total, tokens_known: true, usd_known: true });
    expect(result.spentBreakdown).toMatchObject({
      driverInference: {
        iterations: 0,
        charged_tokens: bill.inference.tokens,
        usd: String(bill.inference.microUsd / 1e6),
      },
      childWork: { iterations: 1_000, charged_tokens: bill.tokens, usd: String(bill.microUsd / 1e6) },
    });
    const trajectory = await ledger.trajectory("big");
    expect(trajectory).toHaveLength(1_011);
    expect(trajectory.filter(({ depth }) => depth === 0)).toMatchObject([
      { rolled_up_charged_tokens: String(total.charged_tokens), rolled_up_iterations: "1000" },
    ]);
    const { rows } = await clients.database.pool.query(
      `select channel, trim_scale(committed)::text as committed, trim_scale(uncertain)::text as uncertain, reserved::text
     from ledger.channels where tenant_id = $1 and pool_id = 'big' order by channel`,
      [ledger.tenantId],
    );
    const settled = { uncertain: "0", reserved: "0" };
    expect(rows).toEqual([
      { channel: "iterations", committed: "1000", ...settled },
      { channel: "tokens", committed: String(total.charged_tokens), ...settled },
      { channel: "usd", committed: total.usd, ...settled },
    ]);

    const deliveries = await clients.database.pool.query(
      `select count(*)::int as delivered, count(distinct node_id)::int as nodes,
       bool_and(cursor is not null) as all_have_a_cursor
     from ledger.journal j join ledger.nodes n using (tenant_id, node_id) where tenant_id = $1 and kind = 'delivered'`,
      [ledger.tenantId],
    );
    expect(deliveries.rows).toEqual([{ delivered: 1_010, nodes: 1_010, all_have_a_cursor: true }]);
    // Those of the model came to its conversation.
    expect([...new Set(delivered.values())]).toEqual([1]);
    expect(delivered.size).toBe(1_010 - WORKERS_PER_DRIVER);
    expect(atWork.now).toBe(0);
    expect(atWork.most).toBeLessThanOrEqual(CAP);
    // When the cap was met, each of the other drivers may have been about to begin one.
    expect(atWork.most).toBeGreaterThanOrEqual(CAP - 10);
  },
  LIMIT_MS,
);
