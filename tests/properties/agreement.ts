/**
 * Where the database and the model must agree: answers, balances, nodes, journal, reports, refusals.
 */
import { formatAmount, parseAmount } from "../model/amounts.js";
import { isLapsed } from "../model/expiry.js";
import { callsInDoubt, gapsOf } from "../model/gaps.js";
import type { ModelLedger, Verdict } from "../model/ledger.js";
import { attributionOf } from "../model/lines.js";
import { breakdownOf, trajectoryOf } from "../model/reports.js";
import { breakdownRow, channelRow, trajectoryRow } from "../model/rows.js";
import type { State } from "../model/state.js";
import type { SqlEngine } from "../vectors/sql-engine.js";
import type { Operation, Row } from "../vectors/steps.js";

/** Facts by name, spelled so that equal facts are equal values. */
export type Facts = Record<string, unknown>;

/** What the answer to each operation promises besides `pool_id` and `seq`; more may be there. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  open_pool: ["node_id", "existing"],
  spawn: ["node_id", "existing"],
  settle: ["spend", "violations"],
  cancel: ["spend", "violations"],
  deliver: ["node_id", "cursor", "outcome", "out_ref"],
  expire: ["expired"],
  close_pool: ["returned"],
};

/** The part of an answer that both must give. */
export function answerFacts(operation: Operation, { status, code, result }: Verdict): Facts {
  if (status === "error") return { status, code };
  const promised = ["pool_id", "seq", "shortfall", ...(PROMISED[String(operation.op)] ?? [])];
  const given = Object.entries(result ?? {}).filter(([key]) => promised.includes(key));
  const { existing, returned, expired, spend, ...rest } = Object.fromEntries(given);
  return spelled({
    status,
    code,
    ...rest,
    ...(existing === true ? { existing } : {}),
    ...(spend === undefined ? {} : { spend: spendFacts(spend as Row) }),
    ...(returned === undefined ? {} : { returned: withoutZeros(returned as Row) }),
    ...(expired === undefined ? {} : { expired: expiredFacts(expired as Row[]) }),
  }) as Facts;
}

/** A resource nobody consumed is as good as none; dollars nobody charged are 0. */
function spendFacts({ resources, usd, ...counts }: Row): Row {
  const amounts = Object.entries((resources ?? {}) as Record<string, Row>).map(([name, { amount }]) => [name, amount]);
  return { ...counts, usd: usd ?? "0", resources: withoutZeros(Object.fromEntries(amounts)) };
}

/** A sweep goes pool by pool; which of two ended first, their own pools say. */
function expiredFacts(expired: Row[]): Row[] {
  const list = expired.map(({ node_id, charged }) => ({
    node_id,
    charged: withoutZeros(charged as Row),
  }));
  return list.sort((left, right) => (String(left.node_id) < String(right.node_id) ? -1 : 1));
}

function withoutZeros(amounts: Row): Row {
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => parseAmount(String(amount)) !== 0n));
}

/** All balances of the model. */
export function modelBalances(state: State): Facts {
  const rows = [...state.pools.values()].flatMap((pool) =>
    [...pool.channels.values()].map((channel) => ({ pool_id: pool.id, ...channelRow(channel) })),
  );
  return balanceFacts(rows);
}

/** All balances of the database. */
export async function sqlBalances(engine: SqlEngine): Promise<Facts> {
  const rows = await engine.rows(
    `select pool_id, channel, capped, total, free, reserved, committed, uncertain, measured, sealed, payer_pool_id
       from ledger.channels where tenant_id = $1`,
  );
  return balanceFacts(rows);
}

/** A row that a resource left behind without ever being consumed says nothing. */
function balanceFacts(rows: readonly Row[]): Facts {
  const telling = rows.filter(
    (row) => row.capped || row.measured === false || parseAmount(String(row.committed)) !== 0n,
  );
  return keyed(telling, ({ pool_id, channel }) => `${pool_id}/${channel}`);
}

/** Everything else the model knows, at that instant. */
export function modelFacts(model: ModelLedger, at: number): Facts {
  const { state } = model;
  const runs = [...state.nodes.values()].filter(({ isRun }) => isRun).map(({ id }) => id);
  return {
    nodes: keyed(
      [...state.nodes.values()].map((node) => ({
        node_id: node.id,
        status: node.status,
        lapsed: isLapsed(state, node, at),
        task_ref: node.taskRef,
      })),
      ({ node_id }) => String(node_id),
    ),
    journal: counts(state.journal.map(({ poolId, kind }) => `${poolId}/${kind}`)),
    heads: Object.fromEntries([...state.pools.values()].map(({ id, seq }) => [id, String(seq)])),
    refusals: counts(state.refusals.map(({ operationId, code }) => `${operationId} ${code}`)),
    trajectory: keyed(
      runs.flatMap((run_id) => trajectoryOf(state, run_id).map((row) => ({ run_id, ...trajectoryRow(row) }))),
      ({ run_id, node_id }) => `${run_id}/${node_id}`,
    ),
    breakdown: keyed(
      runs.flatMap((run_id) =>
        Object.entries(breakdownOf(state, run_id)).map(([source, report]) => ({
          run_id,
          source,
          ...breakdownRow(report),
        })),
      ),
      ({ run_id, source }) => `${run_id}/${source}`,
    ),
    attribution: keyed(attributionOf(state), ({ model }) => String(model)),
    doubts: keyed(
      runs.flatMap((run_id) =>
        callsInDoubt(state, run_id).map(({ poolId, seq, meterId }) => ({
          run_id,
          pool_id: poolId,
          seq,
          meter_id: meterId,
        })),
      ),
      ({ pool_id, seq }) => `${pool_id}/${seq}`,
    ),
    gaps: keyed(
      runs.flatMap((run_id) => gapsOf(state, run_id).map((gap) => ({ run_id, ...gap }))),
      ({ run_id, node_id, gap }) => `${run_id}/${node_id} ${gap}`,
    ),
    audit: [],
  };
}

/** What usage lines attribute to the models they name, over events and their corrections. */
const ATTRIBUTION = `
  select * from (
    select model, sum(iterations) as iterations, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
      sum(cache_read_tokens) as cache_read_tokens, sum(cache_write_tokens) as cache_write_tokens,
      sum(cache_write_1h_tokens) as cache_write_1h_tokens, sum(reasoning_tokens) as reasoning_tokens,
      coalesce(sum(usd), 0) as usd, sum(ms) as ms
    from ledger.usage_lines where tenant_id = $1 and model is not null and line is not null group by model
  ) l
  where greatest(iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, usd, ms) <> 0
    or least(iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, usd, ms) <> 0`;

/** The same of the database. Columns the model does not know are left out. */
export async function sqlFacts(engine: SqlEngine, known: Facts): Promise<Facts> {
  const journal = await engine.rows(
    "select pool_id, seq, kind from ledger.journal where tenant_id = $1 order by pool_id, seq",
  );
  const read = (view: string) => engine.rows(`select * from ledger.${view} where tenant_id = $1`);
  const like = (part: string, rows: Row[], key: (row: Row) => string) =>
    restricted(keyed(rows, key), known[part] as Record<string, Row>);
  return {
    nodes: like("nodes", await read("nodes"), ({ node_id }) => String(node_id)),
    journal: counts(journal.map(({ pool_id, kind }) => `${pool_id}/${kind}`)),
    heads: lastOfDense(journal),
    refusals: counts((await read("refusals")).map(({ operation_id, code }) => `${operation_id} ${code}`)),
    trajectory: like("trajectory", await read("trajectory"), ({ run_id, node_id }) => `${run_id}/${node_id}`),
    breakdown: like("breakdown", await read("spent_breakdown"), ({ run_id, source }) => `${run_id}/${source}`),
    attribution: keyed(await engine.rows(ATTRIBUTION), ({ model }) => String(model)),
    doubts: like("doubts", await read("calls_in_doubt"), ({ pool_id, seq }) => `${pool_id}/${seq}`),
    gaps: like("gaps", await read("spend_gaps"), ({ run_id, node_id, gap }) => `${run_id}/${node_id} ${gap}`),
    audit: await read("audit"),
  };
}

/** The last `seq` of each pool, or what is wrong with its numbering. */
function lastOfDense(journal: readonly Row[]): Facts {
  const last: Record<string, string> = {};
  for (const { pool_id, seq } of journal) {
    const pool = String(pool_id);
    const follows = Number(seq) === Number(last[pool] ?? 0) + 1;
    last[pool] = follows ? String(seq) : `${seq} does not follow ${last[pool] ?? 0}`;
  }
  return last;
}

function counts(names: readonly string[]): Facts {
  const found: Record<string, number> = {};
  for (const name of names) found[name] = (found[name] ?? 0) + 1;
  return found;
}

function keyed(rows: readonly Row[], key: (row: Row) => string): Record<string, Row> {
  return Object.fromEntries(rows.map((row) => [key(row), spelled(row) as Row]));
}

function restricted(rows: Record<string, Row>, like: Record<string, Row>): Facts {
  return Object.fromEntries(
    Object.entries(rows).map(([key, row]) => {
      const columns = Object.keys(like[key] ?? row);
      // Dollars of which nothing was charged may be shown as none or as 0.
      const value = (name: string) => row[name] ?? (name.endsWith("usd") ? "0" : row[name]);
      return [key, Object.fromEntries(columns.map((name) => [name, value(name)]))];
    }),
  );
}

/** The same value with every amount in its shortest form. */
function spelled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spelled);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spelled(item)]));
  }
  if (typeof value !== "string" && typeof value !== "number") return value;
  const amount = parseAmount(value);
  return amount === undefined ? value : formatAmount(amount);
}
