/** A way to stop a call in the middle of its work, while it holds its locks. */
import { type Operation, withId } from "./operations.js";
import type { Session } from "./sessions.js";

/** An operation that stops at the gate of a run: it has its locks, and waits for the row of the run. */
export function judge(runId: string): Operation {
  return withId({ op: "judge", run_id: runId, resolved: true });
}

/** Shuts the gate: holds the row of the run until that session's transaction ends. */
export async function shutGate(session: Session, tenantId: string, runId: string): Promise<void> {
  await session.begin();
  await session.client.query("select from ledger_private.runs where tenant_id = $1 and run_id = $2 for update", [
    tenantId,
    runId,
  ]);
}
