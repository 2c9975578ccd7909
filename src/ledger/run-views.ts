/** What the views tell of one run. */
import type { Kysely, Selectable } from "kysely";
import type { LedgerViews, SpentBreakdownRow, TrajectoryRow } from "../database/schema.generated.js";

/** The nodes of a run in tree order. */
export function trajectoryOf(
  db: Kysely<LedgerViews>,
  tenantId: string,
  runId: string,
): Promise<Selectable<TrajectoryRow>[]> {
  return db
    .selectFrom("trajectory")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .where("run_id", "=", runId)
    .orderBy("path")
    .execute();
}

/** A run's three rows: `driver_inference`, `child_work`, `total`. */
export function breakdownOf(
  db: Kysely<LedgerViews>,
  tenantId: string,
  runId: string,
): Promise<Selectable<SpentBreakdownRow>[]> {
  return db
    .selectFrom("spent_breakdown")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .where("run_id", "=", runId)
    .orderBy((row) => row.case("source").when("driver_inference").then(1).when("child_work").then(2).else(3).end())
    .execute();
}
