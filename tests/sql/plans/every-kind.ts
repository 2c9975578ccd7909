/** Every kind of operation, alone and in batches, in an order in which each does its work: what a look at plans must have seen. */

/** An operation as the ledger takes it. */
type Operation = Readonly<Record<string, unknown>>;

/** A call, and what each of its answers must be. */
export interface Call {
  readonly operations: readonly Operation[];
  readonly status: "ok" | "refused" | "replayed";
}

/** In one batch. */
const MANY = 12;

const spend = { iterations: 1, input_tokens: 1000, output_tokens: 100, cache_read_tokens: 500, usd: "0.0123", ms: 900 };
const budget = { tokens: 2000, iterations: 1, usd: "0.02" };
const channels = { tokens: { total: 500_000 }, iterations: { total: 500 }, usd: { total: "50" } };

/** The calls, one after the other; ids of pools, nodes and operations begin with `name`. */
export function everyKind(name: string): readonly Call[] {
  const [top, run, driver, settled] = [`${name}-top`, `${name}-run`, `${name}-driver`, `${name}-settled`];
  const leaf = (node: string, more: Operation = {}): Operation => {
    return { op: "spawn", pool_id: run, node_id: `${name}-${node}`, label: "leaf", budget, ...more };
  };
  const done = (node: string, more: Operation = {}): Operation => {
    return { op: "settle", node_id: `${name}-${node}`, outcome: "done", spend, ...more };
  };
  const turn = (pool_id: string, more: Operation = {}): Operation => {
    return { op: "meter", pool_id, turn: 1, provider: "acme", model: "large", spend, ...more };
  };
  const many = (make: (n: number) => Operation): Call => ok(...Array.from({ length: MANY }, (_, n) => make(n)));
  let made = 0;
  const call =
    (status: Call["status"]) =>
    (...operations: readonly Operation[]): Call => {
      return { operations: operations.map((one) => ({ operation_id: `${name}-${++made}`, ...one })), status };
    };
  const [ok, refused, replayed] = [call("ok"), call("refused"), call("replayed")];
  const lines = done("one", { operation_id: settled, lines: [{ model: "small", ...spend }] });
  return [
    ok({ op: "open_pool", pool_id: top, channels }),
    ok({
      op: "open_pool",
      pool_id: run,
      parent_pool_id: top,
      channels,
      run: { label: "run", experiment: name, arm: "a", task: "t" },
    }),
    ok({ op: "fund", pool_id: top, amounts: { usd: "1" } }),
    ok(leaf("one", { lease_ms: 900_000 })),
    ok({ op: "dispatch", node_id: `${name}-one` }),
    ok({ op: "extend", node_id: `${name}-one`, lease_ms: 800_000 }),
    ok(lines),
    replayed(lines),
    ok(leaf("keyed", { key: "k" })),
    ok({ op: "cancel", node_id: `${name}-keyed`, reason: "enough" }),
    ok(leaf("again", { key: "k" })),
    ok({ op: "cancel", node_id: `${name}-again`, reason: "enough", spend }),
    ok(turn(run)),
    ok({ op: "dispatch", pool_id: run, meter_id: `${name}-call` }),
    ok(turn(run, { operation_id: `${name}-call` })),
    many((n) => leaf(`folded-${n}`, { lease_ms: 900_000 })),
    many((n) => done(`folded-${n}`)),
    many(() => turn(run)),
    ok(leaf("driver", { driver: true, budget: { tokens: 9000, iterations: 5 } })),
    ok(turn(driver)),
    ok(leaf("below", { pool_id: driver, budget: { tokens: 2000, iterations: 1 } })),
    ok(done("below")),
    ok({ op: "settle", node_id: driver, outcome: "done" }),
    ok(turn(driver)),
    ok({ op: "deliver", pool_id: run }),
    ok({ op: "correct", of: settled, spend: { ...spend, usd: "0.01" }, reason: "receipt" }),
    ok(leaf("late", { lease_ms: 1 })),
    ok({ op: "dispatch", node_id: `${name}-late` }),
    ok({ op: "expire", pool_id: run }),
    ok(done("late")),
    ok({ op: "expire" }),
    ok({ op: "freeze", pool_id: run }),
    refused(leaf("frozen")),
    ok({ op: "thaw", pool_id: run }),
    refused(leaf("large", { budget: { ...budget, tokens: 10_000_000 } })),
    ok({ op: "judge", run_id: run, resolved: true }),
    ok({ op: "close_pool", pool_id: run }),
    ok(turn(run)),
    ok({ op: "close_pool", pool_id: top }),
  ];
}
