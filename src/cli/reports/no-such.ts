/** What to say where a run or a pool is asked for that is not there. Each fails with what to do. */
import { Complaint } from "../../database/complaint.js";

/** Of a run. */
export function noSuchRun(run: string, tenantId: string): never {
  throw new Complaint(`Tenant ${tenantId} has no run ${run}: agent-ledger runs lists those there are`);
}

/** Of a pool. */
export function noSuchPool(pool: string, tenantId: string): never {
  throw new Complaint(`Tenant ${tenantId} has no pool ${pool}: agent-ledger pool open ${pool} opens one`);
}
