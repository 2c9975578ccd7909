/**
 * Four clients do random things to one small tree at once. Whatever came of it, the books are sound, and they say what
 * the clients were told.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { chance } from "../setup/chance.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import type { Operation } from "./operations.js";
import { type Played, Player } from "./players.js";
import { audit, openSession } from "./sessions.js";
import { PATIENCE_MS, STRESS } from "./stress.js";
import { openRoot, plant, spawnDriver } from "./trees.js";

const PLAYERS = ["north", "east", "south", "west"];
const POOLS = ["root", "left", "right", "nested"];
const BATCHES = 30 * STRESS;
const SEED = Number(process.env.SEED ?? 1);

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await plant(await database.connect(), "t", [
    openRoot(),
    spawnDriver("left", "root", "declared"),
    spawnDriver("right"),
    spawnDriver("nested", "left", "declared"),
  ]);
});
afterAll(() => database?.drop());

/** What is counted and summed on both sides. */
interface Sums {
  readonly spawned: number;
  readonly funded: number;
  readonly metered: number;
  readonly settled: number;
  readonly refused: number;
}

function sumsOf(played: readonly Played[]): Sums {
  const done = (op: string): Played[] =>
    played.filter(({ operation, answer }) => operation.op === op && answer.status === "ok");
  const sum = (list: readonly Played[], tokens: (one: Played) => unknown): number =>
    list.reduce((total, one) => total + Number(tokens(one)), 0);
  return {
    spawned: done("spawn").length,
    funded: sum(done("fund"), ({ operation }) => (operation.amounts as Operation).tokens),
    metered: sum(done("meter"), ({ operation }) => (operation.spend as Operation).input_tokens),
    settled: sum(done("settle"), ({ answer }) => (answer.result.spend as Operation).charged_tokens),
    refused: played.filter(({ answer }) => answer.status === "refused").length,
  };
}

/** Where a settlement came after the expiry, what its row says is the difference to what was booked before. */
const SUMS = `
  select
    (select count(*)::int from ledger.nodes where tenant_id = 't' and not driver) as spawned,
    (select trim_scale(total)::int - 1000 from ledger.channels
     where tenant_id = 't' and pool_id = 'root' and channel = 'tokens') as funded,
    (select coalesce(sum(charged_tokens), 0)::int from ledger.journal where tenant_id = 't' and kind = 'metered') as metered,
    (select coalesce(sum(b.charged_tokens), 0)::int
     from ledger.journal s
     join ledger.journal b on b.tenant_id = s.tenant_id and b.pool_id = s.pool_id and b.node_id = s.node_id
       and b.kind in ('expired', 'settled', 'corrected') and b.seq <= s.seq
     where s.tenant_id = 't' and s.kind in ('settled', 'corrected') and s.outcome = 'done') as settled,
    (select count(*)::int from ledger.refusals where tenant_id = 't') as refused`;

/** How often each status was answered. */
function tally(played: readonly Played[]): string {
  const counts = new Map<string, number>();
  for (const { answer } of played) counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
}

it(
  `holds with seed ${SEED}`,
  async () => {
    const players = await Promise.all(
      PLAYERS.map(async (name, index) => {
        const session = await openSession(database);
        return new Player(name, session, "t", POOLS, ["right"], chance(SEED * PLAYERS.length + index));
      }),
    );
    await Promise.all(
      players.map(async (player) => {
        for (let batch = 0; batch < BATCHES; batch++) await player.play();
      }),
    );
    const played = players.flatMap((player) => player.played);
    const retries = players.flatMap((player) => player.retries);
    console.log(`conservation, seed ${SEED}: ${tally(played)}; ${retries.length} retries`);
    expect(players.flatMap((player) => player.contradictions)).toEqual([]);
    const observer = await database.connect();
    expect(await audit(observer, "t")).toEqual([]);
    expect((await observer.query(SUMS)).rows).toEqual([sumsOf(played)]);
  },
  PATIENCE_MS,
);
