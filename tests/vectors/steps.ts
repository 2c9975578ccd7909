/**
 * The language of the acceptance vectors, and the interpreter that plays a scenario against any engine.
 */
import { mismatch } from "./compare.js";

/** One operation in the JSON of `ledger.apply`. */
export type Operation = Readonly<Record<string, unknown>>;

/** One answer of `ledger.apply`. */
export interface Answer {
  readonly position: number;
  readonly status: "ok" | "refused" | "error" | "replayed";
  readonly code: string | null;
  readonly result: Record<string, unknown> | null;
}

/** Columns of a view row, by name. */
export type Row = Record<string, unknown>;

/** An operation together with the part of its answer that is promised. */
export interface Expected {
  readonly apply: Operation;
  readonly expect: Row;
}

export interface BatchStep {
  readonly batch: readonly Expected[];
  readonly atomic?: boolean;
  readonly raises?: string;
}

/** Per channel the verdict, or named columns of `ledger.equal_k`; or the SQLSTATE that it raises. */
export interface GateStep {
  readonly equal_k: string;
  readonly tolerance?: number | string;
  readonly expect?: Record<string, Row | string>;
  readonly raises?: string;
}

export type Step =
  | Expected
  | BatchStep
  | { readonly channels: string; readonly expect: Record<string, Row | unknown[]> }
  | { readonly breakdown: string; readonly expect: Record<string, Row> }
  | { readonly trajectory: string; readonly expect: Record<string, Row> }
  | { readonly journal: string; readonly expect: Record<string, number> }
  | { readonly refusals: string; readonly expect: number }
  | GateStep
  | { readonly audit: true; readonly expect: readonly Row[] }
  | { readonly sleep_ms: number };

export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly Step[];
}

/** A ledger of one fresh tenant, as the vectors see it. */
export interface Engine {
  /** Raises an error with `code` when the call as a whole is turned down. */
  apply(operations: readonly Operation[], options: { atomic: boolean }): Promise<Answer[]>;
  /** Rows of `ledger.channels`, by channel. */
  channels(poolId: string): Promise<Record<string, Row>>;
  /** Rows of `ledger.spent_breakdown`, by source. */
  breakdown(runId: string): Promise<Record<string, Row>>;
  /** Rows of `ledger.trajectory`, by node. */
  trajectory(runId: string): Promise<Record<string, Row>>;
  /** Number of journal rows by kind. */
  journalKinds(poolId: string): Promise<Record<string, number>>;
  /** Number of kept refusals. */
  refusals(poolId: string): Promise<number>;
  /** Rows of `ledger.equal_k`, by channel. */
  equalK(experiment: string, tolerance: number | string | undefined): Promise<Record<string, Row>>;
  /** Rows of `ledger.audit`. */
  audit(): Promise<Row[]>;
  sleep(ms: number): Promise<void>;
}

/** A promise of a vector that did not hold. */
export class VectorMismatch extends Error {
  constructor(scenario: Scenario, stepIndex: number, detail: string) {
    super(`${scenario.id} step ${stepIndex}: ${detail}\n  ${JSON.stringify(scenario.steps[stepIndex])}`);
    this.name = "VectorMismatch";
  }
}

/** Plays all steps in order; raises `VectorMismatch` at the first that does not hold. */
export async function runScenario(scenario: Scenario, engine: Engine): Promise<void> {
  const numbered = withOperationIds(scenario);
  for (const [index, step] of numbered.steps.entries()) {
    const found = await playStep(step, engine);
    if (found !== undefined) throw new VectorMismatch(numbered, index, found);
  }
}

/** Gives every operation without an id a fresh one, the same in every run. */
function withOperationIds(scenario: Scenario): Scenario {
  let next = 0;
  const numbered = ({ apply, expect }: Expected): Expected => ({
    apply: { operation_id: `${scenario.id}#${next++}`, ...apply },
    expect,
  });
  return {
    ...scenario,
    steps: scenario.steps.map((step) => {
      if ("apply" in step) return numbered(step);
      if ("batch" in step) return { ...step, batch: step.batch.map(numbered) };
      return step;
    }),
  };
}

/** Does one step; answers with what is wrong, or nothing. */
async function playStep(step: Step, engine: Engine): Promise<string | undefined> {
  if ("apply" in step) return playBatch({ batch: [step] }, engine);
  if ("batch" in step) return playBatch(step, engine);
  if ("sleep_ms" in step) {
    await engine.sleep(step.sleep_ms);
    return undefined;
  }
  return checkState(step, engine);
}

async function playBatch(step: BatchStep, engine: Engine): Promise<string | undefined> {
  const operations = step.batch.map(({ apply }) => apply);
  const options = { atomic: step.atomic ?? false };
  if (step.raises !== undefined) return expectRaise(step.raises, () => engine.apply(operations, options));
  const answers = await engine.apply(operations, options);
  const promised = step.batch.map(({ expect }, position) => ({ position, ...expect }));
  return mismatch(promised, answers);
}

async function expectRaise(code: string, call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
  } catch (error) {
    const raised = (error as { code?: unknown }).code;
    return raised === code ? undefined : `expected ${code}, raised ${String(raised)}: ${String(error)}`;
  }
  return `expected ${code}, nothing was raised`;
}

type StateStep = Exclude<Step, Expected | BatchStep | { sleep_ms: number }>;

async function checkState(step: StateStep, engine: Engine): Promise<string | undefined> {
  if ("channels" in step) {
    const promised = Object.fromEntries(
      Object.entries(step.expect).map(([channel, columns]) => [channel, namedColumns(columns)]),
    );
    return mismatch(promised, await engine.channels(step.channels));
  }
  if ("breakdown" in step) return mismatch(step.expect, await engine.breakdown(step.breakdown));
  if ("trajectory" in step) return mismatch(step.expect, await engine.trajectory(step.trajectory));
  if ("journal" in step) return exactCounts(step.expect, await engine.journalKinds(step.journal));
  if ("refusals" in step) return mismatch(step.expect, await engine.refusals(step.refusals));
  if ("equal_k" in step) return checkGate(step, engine);
  return mismatch(step.expect, await engine.audit());
}

async function checkGate(step: GateStep, engine: Engine): Promise<string | undefined> {
  const gate = () => engine.equalK(step.equal_k, step.tolerance);
  if (step.raises !== undefined) return expectRaise(step.raises, gate);
  const promised = Object.fromEntries(
    Object.entries(step.expect ?? {}).map(([channel, columns]) => [
      channel,
      typeof columns === "string" ? { verdict: columns } : columns,
    ]),
  );
  return mismatch(promised, await gate());
}

/** `[free, reserved, committed]` is short for these three columns. */
function namedColumns(columns: Row | unknown[]): Row {
  if (!Array.isArray(columns)) return columns;
  const [free, reserved, committed] = columns;
  return { free, reserved, committed };
}

/** A kind that was not expected is as wrong as one that is missing. */
function exactCounts(expected: Record<string, number>, seen: Record<string, number>): string | undefined {
  return mismatch(expected, seen) ?? mismatch(seen, expected);
}
