/** What to say where a run is asked for that is not there. */
import { Complaint } from "../../database/complaint.js";
import type { Ledger } from "../../ledger/ledger.js";

/** Fails with what to do. */
export function noSuchRun(run: string, { tenantId }: Ledger): never {
  throw new Complaint(`Tenant ${tenantId} has no run ${run}: agent-ledger runs lists those there are`);
}
