/** 64 pools, 8 connections, one operation a call: metering, spawning and settling in turns beside pgbench's simple-update. */
import { bookedBy, checked, poolIds } from "./books.js";
import type { Bench, Figure, Outcome } from "./case.js";
import { atLeast, ratio, retriesOf } from "./figures.js";
import type { Load, Told } from "./loads/load.js";
import { hasPgbench, initPgbench, startPgbench } from "./loads/pgbench.js";
import type { Loads } from "./loads/sides.js";
import type { Database } from "./place.js";
import { takeTurns } from "./rounds.js";
import { statementsOf } from "./sql-file.js";

/** Pools that calls go to by chance. */
export const POOLS = 64;

const CLIENTS = 8;
/** Rows of pgbench's accounts per scale. */
const ROWS = 100_000;

/** Who sends: pgbench, or Node where there is none; the baseline, and one operation a call, by the same. */
interface Generators {
  readonly simple: Load;
  readonly ours: Load;
  readonly name: string;
  /** Transactions in the baseline's history. */
  readonly history: string;
}

async function generators(
  loads: Loads,
  bench: Bench,
  database: Database,
  tenant: string,
): Promise<Generators & { bare: Database }> {
  const { scale } = bench.options;
  const bare = await bench.place.bare();
  const { superuser, url } = bare;
  if (await hasPgbench()) {
    await initPgbench(url, scale);
    const ours = startPgbench({ url: database.writerUrl, clients: CLIENTS, tenant, pools: POOLS });
    const history = "select count(*)::text as transactions from pgbench_history";
    return { simple: startPgbench({ url, clients: CLIENTS }), ours, name: "pgbench", history, bare };
  }
  const statement = statementsOf("baselines/simple-update");
  await superuser.query(statement("setup"));
  await superuser.query(statement("fill"), [scale * ROWS]);
  const simple = await loads.start({
    work: "simple-update",
    url,
    callers: CLIENTS,
    parameters: [String(scale * ROWS)],
  });
  const job = { url: database.writerUrl, tenant, pools: poolIds(POOLS), callers: CLIENTS };
  const ours = await loads.start({ work: "submit", ...job });
  return { simple, ours, name: "Node", history: statement("booked"), bare };
}

/** Measures in that tenant, where the first 64 pools are open. */
export async function manyPools(
  loads: Loads,
  bench: Bench,
  { name, database, tenant, before }: { name: string; database: Database; tenant: string; before?: Told },
): Promise<Outcome> {
  const { simple, ours, name: by, history, bare } = await generators(loads, bench, database, tenant);
  const turns = await takeTurns(
    {
      simple: { what: `simple-update, ${by}, 8 connections`, load: simple, phase: "simple-update" },
      meter: { what: `meter, ${by}, 8 connections`, load: ours, phase: "meter" },
      spawn: { what: `spawn, ${by}, 8 connections`, load: ours, phase: "spawn" },
      settle: { what: `settle, ${by}, 8 connections`, load: ours, phase: "settle" },
    },
    bench.options,
  );
  const halves = (["spawn", "settle"] as const).flatMap((half): Figure[] => [
    ratio(`${name}-${half}`, turns[half], turns.simple, atLeast(0.5)),
    retriesOf(`${name}-${half}`, turns[half], 0.01),
  ]);
  const noted = await bookedBy(bare.superuser, history);
  const lost = (simple.told.transactions ?? 0) - (noted.transactions ?? 0);
  return {
    figures: [
      ratio(`${name}-meter`, turns.meter, turns.simple, atLeast(0.8)),
      retriesOf(`${name}-meter`, turns.meter, 0.001),
      ...halves,
    ],
    wrong: [
      ...(lost === 0 ? [] : [`simple-update: ${lost} transactions are not in its history`]),
      ...(await checked(database, tenant, [ours], before)),
    ],
    notes: by === "pgbench" ? [] : [`${name}: no pgbench (15 or later) on the PATH; both sides were sent by Node`],
  };
}
