/**
 * A month in the life of one tenant: a budget, and one run under it. Every operation has a fixed id,
 * so submitting the history again moves nothing: the ledger answers what it answered the first time.
 */

/** The tenant of the demonstration. */
export const TENANT = "demo";

/** The monthly budget, and the run under it; a run, its root node and its pool share one id. */
export const MONTH = "2026-11";
export const RUN = "flaky-checkout-test";

/** Ids that the ledger gives to children: the parent's, and how many it has had before. */
const REPRODUCE = `${RUN}:s0`;
const READ_LOGS = `${RUN}:s1`;
const WRITE_FIX = `${RUN}:s2`;
const PATCH = `${WRITE_FIX}:s0`;
// The spawn that is refused in between is no child.
const SECOND_OPINION = `${RUN}:s3`;

/** An operation of `ledger.apply`. */
export type Operation = { readonly op: string; readonly operation_id: string } & Readonly<Record<string, unknown>>;

const large = { provider: "acme", model: "acme-large", purpose: "turn" };
const small = { provider: "acme", model: "acme-small" };

/** A driver's turns are metered as they happen and cost no iterations: those count its children. */
function turn(
  pool: string,
  number: number,
  input: number,
  output: number,
  usd: string,
  calls: string[] = [],
): Operation {
  return {
    op: "meter",
    operation_id: `${pool}/turn-${number}`,
    pool_id: pool,
    turn: number,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...large,
    spend: { iterations: 0, input_tokens: input, output_tokens: output, cache_read_tokens: input / 2, usd },
  };
}

function spawn(pool: string, label: string, budget: object, more: object = {}): Operation {
  return { op: "spawn", operation_id: `${pool}/spawn ${label}`, pool_id: pool, label, budget, ...more };
}

/** From here on the provider may bill, so a lost worker is charged its ceiling. */
function dispatch(node: string): Operation {
  return { op: "dispatch", operation_id: `${node}/dispatch`, node_id: node };
}

function settle(node: string, spend: object): Operation {
  return { op: "settle", operation_id: `${node}/settle`, node_id: node, outcome: "done", ...small, spend };
}

/** In the order in which they happened. */
export const HISTORY: readonly Operation[] = [
  { op: "open_pool", operation_id: "month/open", pool_id: MONTH, channels: { usd: { total: "25" } } },
  {
    op: "open_pool",
    operation_id: "run/open",
    pool_id: RUN,
    parent_pool_id: MONTH,
    channels: { tokens: { total: 120_000 }, iterations: { total: 12 }, usd: { total: "4" } },
    run: { label: "Fix the flaky checkout test" },
  },

  // The driver thinks, and sends two workers out.
  turn(RUN, 0, 3_200, 410, "0.0173", ["spawn_worker"]),
  spawn(RUN, "Reproduce the failure", { tokens: 20_000, iterations: 3, usd: "0.50" }),
  dispatch(REPRODUCE),
  turn(RUN, 1, 4_100, 260, "0.0164", ["spawn_worker"]),
  spawn(RUN, "Read the build logs", { tokens: 30_000, iterations: 2, usd: "0.40" }),
  dispatch(READ_LOGS),
  settle(REPRODUCE, { iterations: 3, input_tokens: 11_800, output_tokens: 1_950, usd: "0.0838", ms: 41_200 }),
  settle(READ_LOGS, { iterations: 1, input_tokens: 22_400, output_tokens: 730, usd: "0.0709", ms: 9_800 }),
  turn(RUN, 2, 6_900, 520, "0.0285", ["spawn_driver"]),

  // A worker that plans for itself is a driver: its children are paid from its own pool.
  spawn(RUN, "Write the fix", { tokens: 40_000, iterations: 5, usd: "1.50" }, { driver: true }),
  turn(WRITE_FIX, 0, 5_300, 640, "0.0255", ["spawn_worker"]),
  spawn(WRITE_FIX, "Patch the retry loop", { tokens: 15_000, iterations: 3, usd: "0.30" }),
  dispatch(PATCH),
  settle(PATCH, { iterations: 2, input_tokens: 8_700, output_tokens: 2_100, usd: "0.0756", ms: 38_500 }),
  turn(WRITE_FIX, 1, 6_100, 350, "0.0236"),
  { op: "settle", operation_id: `${WRITE_FIX}/settle`, node_id: WRITE_FIX, outcome: "done" },

  // Too much is asked: refused with what was short, and nothing moves.
  spawn(RUN, "Rewrite the whole test suite", { tokens: 400_000, iterations: 5, usd: "9" }),

  // A provider that sends no bill: the ceiling is charged, and stays marked as uncertain.
  spawn(RUN, "Ask another vendor's agent", { tokens: 10_000, iterations: 1, usd: "0.25" }),
  dispatch(SECOND_OPINION),
  settle(SECOND_OPINION, { iterations: 1, input_tokens: 5_200, output_tokens: 900, usd_known: false }),
  turn(RUN, 3, 8_200, 310, "0.0293"),
  turn(RUN, 4, 8_700, 180, "0.0288"),

  // What the run did not spend goes back to the month.
  { op: "close_pool", operation_id: "run/close", pool_id: RUN },
];
