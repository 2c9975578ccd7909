/** Calls of the functions that compare arms. */
import { exactTypes } from "../database/connect.js";
import type { Queryable } from "./call.js";
import type { ArmComparison, ArmOutcomes, GateRow, TaskGateRow } from "./gate-rows.js";

const types = exactTypes();

/** `ledger.equal_k`: rows tokens, usd, all. Null takes the default tolerance of 0.05. */
export async function equalK(
  client: Queryable,
  tenantId: string,
  experiment: string,
  tolerance: string | null,
): Promise<GateRow[]> {
  const text = `select e.channel, e.verdict, e.spread, e.median, e.fraction, e.tolerance, e.reason, e.arms, e.plan from ledger.equal_k(
    p_tenant_id => $1::text, p_experiment => $2::text, p_tolerance => coalesce($3::numeric, 0.05)) e`;
  return (await client.query<GateRow>({ text, values: [tenantId, experiment, tolerance], types })).rows;
}

/** `ledger.equal_k_by_task`: the same three rows for each task. */
export async function equalKByTask(
  client: Queryable,
  tenantId: string,
  experiment: string,
  tolerance: string | null,
): Promise<TaskGateRow[]> {
  const text = `select e.task, e.channel, e.verdict, e.spread, e.median, e.fraction, e.tolerance, e.reason, e.arms, e.plan
    from ledger.equal_k_by_task(
    p_tenant_id => $1::text, p_experiment => $2::text, p_tolerance => coalesce($3::numeric, 0.05)) e`;
  return (await client.query<TaskGateRow>({ text, values: [tenantId, experiment, tolerance], types })).rows;
}

/** The arms that a comparison is of. */
export interface ComparedArms {
  readonly experiment: string;
  readonly a: string;
  readonly b: string;
}

type FlatComparison = Omit<ArmComparison, "outcomes"> & { readonly [column in keyof ArmOutcomes]: string | null };

/** `ledger.compare_arms`. */
export async function compareArms(
  client: Queryable,
  tenantId: string,
  { experiment, a, b }: ComparedArms,
  tolerance: string | null,
): Promise<ArmComparison> {
  const text = `select c.* from ledger.compare_arms(
    p_tenant_id => $1::text, p_experiment => $2::text, p_arm_a => $3::text, p_arm_b => $4::text,
    p_tolerance => coalesce($5::numeric, 0.05)) c`;
  const values = [tenantId, experiment, a, b, tolerance];
  const [row] = (await client.query<FlatComparison>({ text, values, types })).rows;
  if (!row) throw new Error("ledger.compare_arms answers one row");
  const { experiment: of, arm_a, arm_b, verdict, reason, rate_a, rate_b, p_value, ...counts } = row;
  const outcomes = p_value === null ? null : ({ ...asNumbers(counts), rate_a, rate_b, p_value } as ArmOutcomes);
  return { experiment: of, arm_a, arm_b, verdict, reason, outcomes };
}

/** Runs are counted by the database in 64 bits, and never are that many. */
function asNumbers(counts: Readonly<Record<string, string | null>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Number(count)]));
}
