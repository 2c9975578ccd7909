/**
 * Random experiments: the gate says what the rules say when they are worked out run by run, whole and by task, at the tolerance that just
 * suffices and just not. `GATE_RUNS` widens the search, `GATE_SEED` repeats one.
 */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Arm, gateOf, type Run, type Verdict } from "./gate-rules.js";

const RUNS = Number(process.env.GATE_RUNS ?? 20);
const SEED = process.env.GATE_SEED;
const TENANT = "gates";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query("select ledger.create_tenant($1)", [TENANT]);
});
afterAll(() => database?.drop());

/** What a leaf that was lost after its dispatch is charged, without a receipt. */
const CEILING = 50;

/** A call of a run: at its root, in a leaf, in a leaf of a driver below, or in a leaf that was lost. What it turned out to be, where it was corrected. */
const call = fc.record({
  where: fc.constantFrom("root", "root", "leaf", "below", "lost"),
  tokens: fc.constantFrom(0, 90, 95, 100, 105, 110),
  reads: fc.constantFrom(0, 0, 40),
  tokensKnown: fc.constantFrom(true, true, true, true, true, true, false),
  dollars: fc.constantFrom("receipt", "receipt", "receipt", "receipt", "receipt", "estimate", "unknown"),
  cents: fc.constantFrom(0, 95, 100, 105),
  corrected: fc.option(
    fc.record({ tokens: fc.constantFrom(0, 90, 100, 120), cents: fc.constantFrom(0, 100, 110), known: fc.boolean() }),
    { freq: 6 },
  ),
});

type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

/** The same call with nothing unknown about it. */
const plainly = (drawn: Call): Call => ({
  ...drawn,
  where: drawn.where === "lost" ? "leaf" : drawn.where,
  tokensKnown: true,
  dollars: "receipt",
  corrected: null,
});

const run = fc.record({
  calls: fc.array(call, { minLength: 1, maxLength: 3 }),
  open: fc.constantFrom("no", "no", "no", "no", "no", "no", "no", "no", "leaf", "driver"),
  infra: fc.constantFrom(false, false, false, false, false, false, true),
  closed: fc.boolean(),
});

const cells = [
  ["t1", null],
  ["t2", "1"],
  ["t2", "2"],
  [null, null],
] as const;

const experiment = fc.record({
  arms: fc.integer({ min: 1, max: 4 }),
  cells: fc.subarray([...cells], { minLength: 1 }),
  // A pattern that most arms share: random spends alone would hardly ever be equal.
  runs: fc.array(run, { minLength: 16, maxLength: 16 }),
  plain: fc.constantFrom(true, true, false),
  missing: fc.option(fc.nat(15), { freq: 6 }),
  twice: fc.option(fc.nat(15), { freq: 6 }),
  uncached: fc.option(fc.nat(3), { freq: 5 }),
  cap: fc.constantFrom(null, null, "5"),
  parent: fc.constantFrom(false, false, true),
});

type Experiment = typeof experiment extends fc.Arbitrary<infer T> ? T : never;
type Operation = Record<string, unknown>;

/** The operations of an experiment, and what the rules are told of it. */
function play(id: string, plan: Experiment): { operations: Operation[]; arms: Arm[] } {
  const operations: Operation[] = [];
  const add = (operation: Operation): string => {
    const operation_id = `${id}:${operations.length}`;
    operations.push({ operation_id, ...operation });
    return operation_id;
  };
  const above = `${id}/above`;
  if (plan.parent) add({ op: "open_pool", pool_id: above, channels: {}, unknown_usd: "flag" });
  const arms = Array.from({ length: plan.arms }, (_, index): Arm => {
    // Units do not mix below one pool.
    const uncached = !plan.parent && plan.uncached === index;
    const runs: Run[] = [];
    const one = (place: number, [task, replicate]: readonly [string | null, string | null]): void => {
      const runId = `${id}/${index}/${place}/${runs.length}`;
      const drawn = plan.runs[place % 16];
      if (!drawn) return;
      const calls: readonly Call[] = plan.plain ? drawn.calls.map(plainly) : drawn.calls;
      const closed = drawn.closed || plan.plain;
      const open = plan.plain ? "no" : drawn.open;
      add({
        op: "open_pool",
        pool_id: runId,
        channels: plan.cap === null || plan.parent ? {} : { usd: { total: plan.cap } },
        unknown_usd: "flag",
        token_charge: uncached ? "uncached" : "total",
        ...(plan.parent && { parent_pool_id: above }),
        run: { label: "r", experiment: id, arm: `arm${index}`, ...(task && { task }), ...(replicate && { replicate }) },
      });
      const result = {
        task,
        replicate,
        infra: drawn.infra,
        // A run under a parent is a hold there until it is closed.
        open: open !== "no" || (plan.parent && !closed),
        tokens: 0n,
        usd: 0n,
        unsureTokens: false,
        unsureUsd: false,
      };
      calls.forEach((c, n) => {
        const reads = Math.min(c.reads, c.tokens);
        const usd = (c.cents / 100).toString();
        const dollars =
          c.dollars === "receipt"
            ? { usd }
            : c.dollars === "estimate"
              ? { usd, usd_known: false }
              : { usd_known: false };
        const spend = {
          iterations: 0,
          input_tokens: c.tokens,
          output_tokens: 1,
          cache_read_tokens: reads,
          ...dollars,
          ...(!c.tokensKnown && { tokens_known: false }),
        };
        const node = `${runId}:n${n}`;
        let of: string;
        if (c.where === "root") of = add({ op: "meter", pool_id: runId, spend });
        else if (c.where === "lost") {
          add({ op: "spawn", pool_id: runId, node_id: node, label: "l", budget: { tokens: CEILING } });
          add({ op: "dispatch", node_id: node });
          of = add({ op: "cancel", node_id: node, reason: "lost" });
        } else {
          if (c.where === "below")
            add({ op: "spawn", pool_id: runId, node_id: `${node}d`, label: "d", budget: {}, driver: true });
          add({
            op: "spawn",
            pool_id: c.where === "below" ? `${node}d` : runId,
            node_id: node,
            label: "l",
            budget: {},
          });
          add({ op: "dispatch", node_id: node });
          of = add({ op: "settle", node_id: node, outcome: "done", spend });
          if (c.where === "below") add({ op: "settle", node_id: `${node}d`, outcome: "done" });
        }
        const lost = c.where === "lost";
        let tokens = lost ? CEILING : c.tokens + 1 - (uncached ? reads : 0);
        let cents: number = lost || c.dollars === "unknown" ? 0 : c.cents;
        let unsureTokens = lost || !c.tokensKnown;
        // An estimate of 0 is none the less an estimate.
        let unsureUsd = lost || c.dollars !== "receipt";
        if (c.corrected) {
          const { known } = c.corrected;
          tokens = c.corrected.tokens + 1;
          cents = c.corrected.cents;
          add({
            op: "correct",
            of,
            reason: "late",
            spend: {
              iterations: 0,
              input_tokens: c.corrected.tokens,
              output_tokens: 1,
              usd: (cents / 100).toString(),
              usd_known: known,
            },
          });
          [unsureTokens, unsureUsd] = [false, !known];
        }
        result.tokens += BigInt(tokens);
        result.usd += BigInt(cents);
        result.unsureTokens ||= unsureTokens;
        result.unsureUsd ||= unsureUsd;
      });
      if (open !== "no")
        add({
          op: "spawn",
          pool_id: runId,
          node_id: `${runId}:open`,
          label: "o",
          budget: {},
          driver: open === "driver",
        });
      if (drawn.infra) add({ op: "judge", run_id: runId, resolved: false, infra: true });
      if (closed && open === "no") add({ op: "close_pool", pool_id: runId });
      runs.push(result);
    };
    plan.cells.forEach((cell, place) => {
      const number = index * 4 + place;
      // Plain experiments share their runs between arms, but for the first.
      const pattern = plan.plain && index > 0 ? 4 + place : number;
      if (plan.missing === number) return;
      one(pattern, cell);
      if (plan.twice === number) one(pattern, cell);
    });
    return { arm: `arm${index}`, unit: uncached ? "uncached" : "total", runs };
  });
  return { operations, arms: arms.filter(({ runs }) => runs.length > 0) };
}

async function read(id: string, tolerance: string, byTask: boolean): Promise<Verdict[] | string> {
  const text = byTask
    ? "select task, channel, verdict, reason, spread::text, median::text from ledger.equal_k_by_task($1, $2, $3)"
    : "select null as task, channel, verdict, reason, spread::text, median::text from ledger.equal_k($1, $2, $3)";
  try {
    return (await database.pool.query<Verdict>(text, [TENANT, id, tolerance])).rows;
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

it("agrees with the rules", { timeout: 600_000 }, async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(experiment, fc.constantFrom("0", "0.05", "0.1", "1"), async (plan, tolerance) => {
      const id = `e-${randomUUID()}`;
      const { operations, arms } = play(id, plan);
      if (operations.length > 0) {
        const { rows } = await database.pool.query("call ledger.submit($1, $2, false, null)", [
          TENANT,
          JSON.stringify(operations),
        ]);
        const answers = rows[0].p_results as { status: string; position: number }[];
        expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
      }
      const whole = gateOf(arms, tolerance, false);
      for (const at of [tolerance, ...(typeof whole === "string" ? [] : boundaries(whole))]) {
        for (const byTask of [false, true]) {
          const expected = gateOf(arms, at, byTask);
          expect({ at, byTask, said: await read(id, at, byTask) }).toEqual({ at, byTask, said: expected });
          if (typeof expected !== "string")
            for (const { reason } of expected) seen.set(reason ?? "equal", (seen.get(reason ?? "equal") ?? 0) + 1);
        }
      }
    }),
    { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }), interruptAfterTimeLimit: 500_000 },
  );
  if (process.env.GATE_RUNS) console.log(seen);
  expect((await database.pool.query("select * from ledger.audit where tenant_id = $1", [TENANT])).rows).toEqual([]);
});

/** Tolerances around what just suffices: at 6 decimals, one above and one below. */
function boundaries(verdicts: readonly Verdict[]): string[] {
  return verdicts.flatMap(({ spread, median }) => {
    if (spread === null || median === null || Number(median) === 0) return [];
    const low = Math.floor((Number(spread) / Number(median)) * 1e6);
    return [low, low + 1].filter((millionths) => millionths <= 1e6).map((millionths) => (millionths / 1e6).toFixed(6));
  });
}
