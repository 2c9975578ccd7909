/**
 * Writes a large journal through the ledger, as fast as the server goes: operations are made there (`fill.sql`), a call is a batch in one pool, and
 * every core has a connection with tenants of its own. A fifth of the events are spawns, a fifth settlements, the rest metered turns.
 */
import { availableParallelism } from "node:os";
import type pg from "pg";
import { connect } from "../../../src/database/connect.js";
import { retryingCall } from "../../../src/ledger/retry.js";
import { booked, openBooks, poolIds } from "./books.js";
import type { Database } from "./place.js";
import { statementsOf } from "./sql-file.js";

/** Operations of a round in one pool: spawned, settled, metered. */
const ROUND = { spawn: 250, settle: 250, meter: 750 } as const;
const EVENTS = ROUND.spawn + ROUND.settle + ROUND.meter;

/** Pools of a tenant, that many-pools finds open too. */
const POOLS = 64;

const PATIENCE = { conflicts: 100, connectionMs: 0 };

/** What was written. */
export interface Filled {
  readonly events: number;
  readonly seconds: number;
  readonly retries: number;
  /** Where the books are not what was written. */
  readonly wrong: readonly string[];
}

/** Writes about so many events, evenly to these tenants. `log` hears how far it is. */
export async function fill(
  database: Database,
  { tenants, events }: { readonly tenants: readonly string[]; readonly events: number },
  log: (line: string) => void = () => {},
): Promise<Filled> {
  for (const tenant of tenants) await openBooks(database, tenant, poolIds(POOLS));
  const rounds = Math.ceil(events / tenants.length / EVENTS);
  const goal = rounds * EVENTS * tenants.length;
  const began = performance.now();
  const counts = { conflict: 0, connection: 0 };
  let written = 0;
  const progress = setInterval(() => {
    const rate = written / ((performance.now() - began) / 1000);
    const left = (goal - written) / rate / 60;
    log(
      `${written.toLocaleString("en")} of ${goal.toLocaleString("en")} events, ${Math.round(rate)}/s, ${left.toFixed(1)} min left`,
    );
  }, 10_000);
  const lanes = Math.min(availableParallelism(), tenants.length);
  const write = async (lane: number): Promise<void> => {
    const client = await connect(database.url);
    try {
      for (let round = 0; round < rounds; round += 1) {
        for (let n = lane; n < tenants.length; n += lanes) {
          await writeRound(client, tenants[n] ?? "", round, counts);
          written += EVENTS;
        }
      }
    } finally {
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => write(lane))).finally(() => clearInterval(progress));
  const seconds = (performance.now() - began) / 1000;
  const wrong: string[] = [];
  for (const tenant of tenants) wrong.push(...(await differing(database.superuser, tenant, rounds)));
  return { events: goal, seconds, retries: counts.conflict, wrong };
}

const statement = statementsOf("fill");

async function writeRound(
  client: pg.ClientBase,
  tenant: string,
  round: number,
  counts: { conflict: number; connection: number },
): Promise<void> {
  // One pool after the other, and back to the first.
  const pool = poolIds(POOLS)[round % POOLS];
  let operation = round * EVENTS;
  for (const [op, many] of Object.entries(ROUND)) {
    const values = [tenant, pool, operation, many, Math.floor(round / POOLS) * ROUND.spawn, round];
    const call = { name: op, text: statement(op), values };
    const { rows } = await retryingCall(
      () => client.query<{ ok: string }>(call),
      counts,
      () => PATIENCE,
    );
    if (Number(rows[0]?.ok) !== many)
      throw new Error(`${op} in ${pool} of ${tenant}: ${rows[0]?.ok} of ${many} are ok`);
    operation += many;
  }
}

async function differing(client: pg.ClientBase, tenant: string, rounds: number): Promise<string[]> {
  const books = await booked(client, tenant);
  const expected = { metered: ROUND.meter * rounds, spawned: ROUND.spawn * rounds, settled: ROUND.settle * rounds };
  return Object.entries(expected)
    .filter(([kind, many]) => books[kind] !== many)
    .map(([kind, many]) => `${tenant}: ${many} ${kind} were written, the books hold ${books[kind]}`);
}
