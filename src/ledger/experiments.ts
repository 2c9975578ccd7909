/** Experiments: plans registered before the first spend, arms compared at equal cost, and then their outcomes. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Access } from "./access.js";
import { beginReading, putBlob, rollback } from "./call.js";
import { LedgerError } from "./errors.js";
import * as calls from "./gate-calls.js";
import type { ArmComparison, GateRow, TaskGateRow } from "./gate-rows.js";
import { openPool } from "./open-pool.js";
import type { Amount, Operation } from "./protocol.js";
import { parse } from "./schemas.js";
import { sendDone, type Writer } from "./writer.js";

/** How far apart arms may be and still be equal. */
export interface GateOptions {
  /** Part of the median that the spread may be, 0 to 1; 0.05 if left out. */
  readonly tolerance?: Amount | undefined;
}

/** Where a plan is registered. */
export interface RegisterPlanOptions {
  /** The pool whose journal takes it; else `experiment:<name>`, which is opened where it is missing and caps nothing. */
  readonly poolId?: string | undefined;
}

/** A plan that is registered. */
export interface RegisteredPlan {
  readonly experiment: string;
  /** `sha256:<hex>` of the bytes. */
  readonly planRef: string;
  readonly poolId: string;
  /** Where it stands in the pool's journal. */
  readonly seq: number;
}

const name = z.string().min(1).max(200);
const gateOptions = z.strictObject({
  tolerance: z.union([z.string(), z.number(), z.bigint()]).optional(),
});
const planBytes = z.union([z.instanceof(Uint8Array), z.string()]);
const planOptions = z.strictObject({ poolId: name.optional() });

/** What the database says is no number is its to say; it must only reach it, and have room in a numeric. @throws {LedgerError} LG001. */
export function toleranceOf(options: GateOptions): string | null {
  const { tolerance } = parse(gateOptions, options, "options");
  if (tolerance === undefined) return null;
  parse(
    z
      .string()
      .max(200)
      .regex(/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$|^NaN$|^[+-]?Infinity$/i, "must be a number"),
    String(tolerance),
    "tolerance",
  );
  return String(tolerance);
}

function comparedArms(experiment: string, a: string, b: string): calls.ComparedArms {
  return { experiment: parse(name, experiment, "experiment"), a: parse(name, a, "a"), b: parse(name, b, "b") };
}

/** What a ledger offers on experiments. */
export abstract class Experiments {
  abstract readonly tenantId: string;

  /** How to call and to write. */
  protected abstract access(): Access;

  /**
   * Whether the arms of an experiment cost the same: rows tokens, usd and all.
   * @throws {LedgerError} LG010 where no run counts, LG001 where the tolerance is not from 0 to 1.
   */
  async equalK(experiment: string, options: GateOptions = {}): Promise<GateRow[]> {
    const tolerance = toleranceOf(options);
    parse(name, experiment, "experiment");
    return this.access().caller.call((client) => calls.equalK(client, this.tenantId, experiment, tolerance));
  }

  /** The same task by task; a task that only some arms have is unbalanced, one of which no run counts has no rows. */
  async equalKByTask(experiment: string, options: GateOptions = {}): Promise<TaskGateRow[]> {
    const tolerance = toleranceOf(options);
    parse(name, experiment, "experiment");
    return this.access().caller.call((client) => calls.equalKByTask(client, this.tenantId, experiment, tolerance));
  }

  /**
   * Outcomes of two arms, pair by pair; without outcomes where the gate is not equal.
   * @throws {LedgerError} LG001 of an arm that is not there; what `equalK` throws.
   */
  async compareArms(experiment: string, a: string, b: string, options: GateOptions = {}): Promise<ArmComparison> {
    const tolerance = toleranceOf(options);
    const arms = comparedArms(experiment, a, b);
    return this.access().caller.call((client) => calls.compareArms(client, this.tenantId, arms, tolerance));
  }

  /** The rows of a gate and the outcomes of two of its arms, both of one moment: they have the same verdict. */
  async gateAndOutcomes(
    experiment: string,
    a: string,
    b: string,
    options: GateOptions = {},
  ): Promise<{ rows: GateRow[]; comparison: ArmComparison }> {
    const tolerance = toleranceOf(options);
    const arms = comparedArms(experiment, a, b);
    return this.access().caller.call(async (client) => {
      await beginReading(client);
      try {
        const rows = await calls.equalK(client, this.tenantId, experiment, tolerance);
        return { rows, comparison: await calls.compareArms(client, this.tenantId, arms, tolerance) };
      } finally {
        await rollback(client);
      }
    });
  }

  /**
   * Keeps the bytes of a plan (text as UTF-8) and enters their digest in a journal. The same plan again, in the same pool, finds it.
   * @throws {LedgerError} LG011 where the experiment has another plan, or this one in another pool (`detail.registered`); LG002 where
   *   `poolId` is not there.
   */
  async registerPlan(
    experiment: string,
    plan: Uint8Array | string,
    options: RegisterPlanOptions = {},
  ): Promise<RegisteredPlan> {
    parse(name, experiment, "experiment");
    const content = parse(planBytes, plan, "plan");
    const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content;
    const { caller, writer } = this.access();
    const poolId = parse(planOptions, options, "options").poolId ?? (await openedPool(writer, experiment));
    const planRef = await caller.call((client) => putBlob(client, this.tenantId, bytes));
    const operation_id = `plan:${digestOf(JSON.stringify([experiment, poolId]))}:${planRef}`;
    const operation = { op: "plan", operation_id, pool_id: poolId, experiment, plan_ref: planRef } as Operation;
    const { result } = await sendDone(writer, operation).catch(async (error: unknown): Promise<never> => {
      throw (await besideRegistered(writer, error, { experiment, planRef })) ?? error;
    });
    return { experiment, planRef, poolId, seq: Number(result.seq) };
  }
}

/** The pool of an experiment, opened where it is missing. Its id has room for what a pool id may hold. */
async function openedPool(writer: Writer, experiment: string): Promise<string> {
  const poolId = `experiment:${experiment.length <= 189 ? experiment : digestOf(experiment)}`;
  const found = await writer.read(() =>
    writer.db
      .selectFrom("pools")
      .select("pool_id")
      .where("tenant_id", "=", writer.tenantId)
      .where("pool_id", "=", poolId)
      .executeTakeFirst(),
  );
  if (found === undefined) await openPool(writer, {}, { poolId });
  return poolId;
}

/** Of LG011, which plan is registered and where; undefined of any other error. */
async function besideRegistered(
  writer: Writer,
  error: unknown,
  { experiment, planRef }: Pick<RegisteredPlan, "experiment" | "planRef">,
): Promise<LedgerError | undefined> {
  if (!(error instanceof LedgerError) || error.code !== "LG011") return undefined;
  const registered = await writer.read(() => planOf(writer, experiment));
  if (registered === undefined) return undefined;
  const { plan_ref, pool_id } = registered;
  const which = plan_ref === planRef ? `this plan already, in pool ${pool_id}` : `another plan, in pool ${pool_id}`;
  return new LedgerError("LG011", `experiment ${experiment} has ${which}: ${plan_ref}`, {
    detail: { ...error.detail, registered },
    cause: error,
  });
}

/** The plan of an experiment as it is registered; undefined where there is none. */
export async function planOf(
  { db, tenantId }: Pick<Writer, "db" | "tenantId">,
  experiment: string,
): Promise<{ plan_ref: string; pool_id: string; seq: string; registered_at: Date } | undefined> {
  return db
    .selectFrom("plans")
    .select(["plan_ref", "pool_id", "seq", "registered_at"])
    .where("tenant_id", "=", tenantId)
    .where("experiment", "=", experiment)
    .executeTakeFirst();
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
