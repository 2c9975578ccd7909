/**
 * How a run ends: winner or not, and why not. Kept with its root node, so that whoever resumes it later answers the same: the reason as
 * it is, what the driver threw as an artifact.
 */
import { LedgerError } from "../../ledger/errors.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Verdict } from "../executor.js";
import type { NoWinner, NoWinnerReason } from "../result.js";
import { OPEN, verdictOf, verdictOfDriver } from "../scope/reading.js";
import { reasonOf } from "../scope/reasons.js";

export type DriverError = NonNullable<NoWinner["error"]>;

/** What a run came to, as its root node says. */
export type Decision =
  | { readonly kind: "winner"; readonly outRef: string; readonly verdict: Verdict }
  | { readonly kind: "no-winner"; readonly reason: NoWinnerReason; readonly error?: DriverError | undefined };

/** What the driver's act came to; undefined where it was given up. */
export type Act = { readonly value: unknown } | { readonly thrown: unknown } | undefined;

/** What stopped a run before its driver had ended by itself. */
export type Cause = "breaker" | "deadline" | "aborted";

const REASONS: readonly NoWinnerReason[] = ["all-children-down", "budget-exhausted", "aborted", "driver-failed"];

/**
 * Decides, the first that applies: a value of a run that was not aborted wins (a deadline is no abort); the breaker, the deadline,
 * an abort, what the driver threw, a budget that is used up; else its children. `exhausted` is asked only where it matters.
 * A value that cannot be stored is the driver's failure. `verdict` is what the driver said of its value; else its best child's.
 */
export async function decide(
  ledger: Ledger,
  runId: string,
  act: Act,
  causes: ReadonlySet<Cause>,
  exhausted: () => Promise<boolean>,
  verdict?: Verdict,
): Promise<Decision> {
  const no = (reason: NoWinnerReason, error?: DriverError): Decision => ({ kind: "no-winner", reason, error });
  if (causes.has("breaker")) return no("all-children-down");
  const aborted = causes.has("aborted");
  let thrown = act && "thrown" in act ? act : undefined;
  if (!aborted && act && "value" in act && act.value !== undefined) {
    try {
      const outRef = await ledger.putArtifact(act.value);
      return { kind: "winner", outRef, verdict: verdict ?? (await verdictOfDriver(ledger, runId)) };
    } catch (error) {
      if (!isUnstorable(error)) throw error;
      thrown = { thrown: error };
    }
  }
  if (causes.has("deadline")) return no("budget-exhausted");
  if (aborted) return no("aborted");
  if (thrown) return no("driver-failed", driverError(thrown.thrown));
  return no((await exhausted()) ? "budget-exhausted" : "all-children-down");
}

/**
 * Settles the root of a run so. Where a child of others is still open it is left as it is, and the answer is false: a later resume can
 * end it.
 * @throws {LedgerError} LG004 where somebody else has ended the run.
 */
export async function settleRoot(ledger: Ledger, runId: string, decision: Decision): Promise<boolean> {
  try {
    await settled(ledger, runId, decision);
    return true;
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "LG007") throw error;
    return false;
  }
}

/** Why a run that has a winner is not ended: with what others do for it, it may yet come to something else. */
export async function heldByOthers(ledger: Ledger, runId: string): Promise<LedgerError> {
  const open = await ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select(["node_id", "lease_at"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("parent_node_id", "=", runId)
      .where("status", "in", OPEN)
      .orderBy("node_id")
      .limit(20)
      .execute(),
  );
  const nodes = open.map(({ node_id }) => node_id);
  const leases = open.map(({ node_id, lease_at }) => `${node_id} until ${lease_at?.toISOString() ?? "it is settled"}`);
  const rule = "resume the run when their leases have passed";
  return new LedgerError("LG007", `run ${runId} has a result, and others hold children of it: ${leases}; ${rule}`, {
    retryable: true,
    detail: { run_id: runId, nodes, rule },
  });
}

async function settled(ledger: Ledger, runId: string, decision: Decision): Promise<void> {
  const root = { nodeId: runId };
  const pool = ledger.pool(runId);
  if (decision.kind === "winner") {
    const { outRef, verdict } = decision;
    await pool.reconcile(root, null, { outcome: "done", outRef, verdict });
    return;
  }
  const { reason, error } = decision;
  const outRef = error && (await ledger.putArtifact(error));
  const verdict = { valid: false, ...(error && { notes: `${error.name}: ${error.message}` }) };
  await pool.reconcile(root, null, { outcome: "down", reason, verdict, ...(outRef !== undefined && { outRef }) });
}

/** What the root node of an ended run says. One that another hand ended, without a result or a reason of ours, was aborted. */
export async function decisionKept(ledger: Ledger, runId: string): Promise<Decision> {
  const node = await ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select(["status", "verdict", "out_ref", "reason"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("node_id", "=", runId)
      .executeTakeFirstOrThrow(),
  );
  const { status, out_ref } = node;
  if (status === "done" && out_ref !== null) {
    return { kind: "winner", outRef: out_ref, verdict: verdictOf(node.verdict) ?? { valid: false } };
  }
  const reason = REASONS.find((known) => known === node.reason) ?? "aborted";
  if (reason !== "driver-failed" || out_ref === null) return { kind: "no-winner", reason };
  return { kind: "no-winner", reason, error: (await ledger.artifact(out_ref)).artifact as DriverError };
}

/** What was thrown, as plain data that can be stored. */
function driverError(thrown: unknown): DriverError {
  try {
    if (!(thrown instanceof Error)) return { name: "Error", message: reasonOf(thrown) };
    const { name, message, stack } = thrown;
    return {
      name: reasonOf(name),
      message: message === "" ? "" : reasonOf(thrown),
      ...(stack !== undefined && { stack: reasonOf(stack) }),
    };
  } catch {
    // Its getters are the driver's too.
    return { name: "Error", message: "what was thrown cannot be read" };
  }
}

/** What of a value cannot be stored: it has no JSON form, throws when it is asked for one, or is more than the database takes. */
function isUnstorable(error: unknown): boolean {
  return !(error instanceof LedgerError) || /^(?:LG001|22|54)/.test(error.code);
}
