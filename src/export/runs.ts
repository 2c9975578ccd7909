/**
 * Which run things belong to: one for a whole tree below its root, which has a line of its own.
 *
 * - `run-of-no-pool`: a run has no root pool. `run-missing`: a pool names a run that has no line, or the exported run is not there.
 * - `run-differs-from-pool`: an event or node names another run than its pool.
 * - `run-differs-from-parent`: a pool names another run than its parent, or than the exported one, and is no root.
 * - `duplicate-run`: two lines of one run.
 */
import type { Finding, Findings } from "./findings.js";
import type { PoolBook } from "./pool-book.js";
import type { Header } from "./shapes.js";

type Pools = ReadonlyMap<string, PoolBook>;

/** Checks the line of a run. */
export function checkRun(runId: string, line: number, pools: Pools, findings: Findings): void {
  const root = pools.get(runId);
  const place = { line, pool_id: runId };
  if (root?.line.run_id !== runId) {
    findings.add("run-of-no-pool", place, "the file has no root pool of that run");
  } else if (root.hasRun) {
    findings.add("duplicate-run", place, "a line before is of that run");
  } else root.hasRun = true;
}

/** Checks the run that an event or node of a pool names. */
export function checkRunOf(
  runId: string | undefined,
  pool: PoolBook,
  place: Omit<Finding, "rule" | "detail">,
  findings: Findings,
): void {
  if (runId === pool.line.run_id) return;
  findings.add("run-differs-from-pool", place, `${runId ?? "none"}, the pool ${pool.line.run_id ?? "none"}`);
}

/** Checks the run of a pool, when all runs have passed. */
export function checkRunOfPool(
  { line, number }: PoolBook,
  header: Header | undefined,
  pools: Pools,
  findings: Findings,
): void {
  const { pool_id, run_id, parent_pool_id } = line;
  const place = { line: number, pool_id };
  if (run_id !== undefined && !pools.get(run_id)?.hasRun) {
    findings.add("run-missing", place, `it is of run ${run_id}, which has no line`);
  }
  const above = header?.run ?? pools.get(parent_pool_id ?? "")?.line.run_id;
  if (run_id !== above && (above !== undefined || run_id !== pool_id)) {
    findings.add("run-differs-from-parent", place, `${run_id ?? "none"}, should be ${above ?? "none"}`);
  }
}
