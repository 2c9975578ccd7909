/** Breaches of pools, pool_heads and runs. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

const pool = (poolId: string, assignment: string): string =>
  `update ledger_private.pools set ${assignment} where pool_id = '${poolId}'`;
const head = (assignment: string): string => `update ledger_private.pool_heads set ${assignment} where pool_id = 'run'`;
const run = (assignment: string): string => `update ledger_private.runs set ${assignment}`;

const POOLS: readonly Breach[] = [
  unique("pools_pkey", "a second pool of the same id", copyOf("pools", "pool_id = 'run'", {})),
  foreignKey("pools_owner_fkey", "a pool without a node", copyOf("pools", "pool_id = 'top'", { pool_id: "alone" })),
  foreignKey("pools_parent_fkey", "a pool under one that is not", pool("run", "parent_pool_id = 'nowhere'")),
  check("pools_parent_other", "a pool under itself", pool("run", "parent_pool_id = pool_id")),
  check("pools_state_known", "a state nobody knows", pool("run", "state = 'asleep'")),
  check("pools_unknown_usd_known", "another answer to unknown dollars", pool("run", "unknown_usd = 'ignore'")),
  check("pools_token_charge_known", "another charge unit", pool("run", "token_charge = 'output'")),
  check("pools_depth_of_top_zero", "a top pool with something above", pool("top", "depth = 1")),
  check("pools_depth_of_top_zero", "a child pool at the top", pool("run", "depth = 0")),
  check("pools_depth_of_top_zero", "a child pool above the top", pool("run", "depth = -1")),
  check("pools_depth_left_not_negative", "less than no depth left", pool("run", "depth_left = -1")),
];

const HEADS: readonly Breach[] = [
  unique("pool_heads_pkey", "a second head of a pool", copyOf("pool_heads", "pool_id = 'run'", {})),
  foreignKey("pool_heads_pool_fkey", "the head of no pool", copyOf("pool_heads", "pool_id = 'run'", { pool_id: "no" })),
  check("pool_heads_open_holds_not_negative", "fewer than no open holds", head("open_holds = -1")),
  check("pool_heads_open_holds_not_negative", "more open holds than children", head("open_holds = children + 1")),
  check("pool_heads_undelivered_not_negative", "fewer than no endings waiting", head("undelivered = -1")),
  check("pool_heads_undelivered_not_negative", "a cursor below the first", head("next_cursor = -1")),
  check("pool_heads_delivered_seq_within", "a last row below zero", head("seq = -1")),
  check("pool_heads_delivered_seq_within", "delivered up to a row below the first", head("delivered_seq = -1")),
  check("pool_heads_delivered_seq_within", "delivered beyond the last row", head("delivered_seq = seq + 1")),
];

const RUNS: readonly Breach[] = [
  unique("runs_pkey", "a second run of the same id", copyOf("runs", "run_id = 'run'", {})),
  foreignKey("runs_pool_fkey", "a run without a pool", copyOf("runs", "run_id = 'run'", { run_id: "nowhere" })),
  check("runs_outcome_known", "an outcome nobody knows", run("outcome = 'expired'")),
  check("runs_arm_of_experiment", "an arm of no experiment", run("experiment = null, task = null, replicate = null")),
  check("runs_arm_of_experiment", "an experiment without an arm", run("arm = null")),
  check("runs_task_of_experiment", "a task of no experiment", run("experiment = null, arm = null, replicate = null")),
  check("runs_task_of_experiment", "a replicate of no experiment", run("experiment = null, arm = null, task = null")),
  check("runs_score_finite", "a score that is no number", run("score = 'NaN'")),
  check("runs_score_finite", "a score without bound", run("score = 'Infinity'")),
  check("runs_score_finite", "a score without lower bound", run("score = '-Infinity'")),
];

export const POOL_BREACHES: readonly Breach[] = [...POOLS, ...HEADS, ...RUNS];
