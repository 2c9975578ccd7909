/** The naive client of `baselines/naive.sql`: serializable transactions, statement by statement, again until they commit. */
import type pg from "pg";
import { statementsOf } from "../sql-file.js";
import { lost, poolOf } from "./client.js";
import { usageOf } from "./spend.js";
import type { Called, OpenWork, Work } from "./work.js";

const statement = statementsOf("baselines/naive");

/** Balances, and what becomes of them. */
interface Balances {
  readonly tokens: number;
  readonly usd: number;
  readonly heldTokens: number;
  readonly heldUsd: number;
}
type Change = (now: Balances) => Balances;

/** Attempts at one transaction: far beyond what contention needs. */
const MOST = 10_000;

const POOL = "hot";
const ROOM = { tokens: 2000, usd: 0.02 };

/** Runs the client's transactions. */
type Transact = (
  operationId: string,
  kind: string,
  spent: { tokens: number; usd: number },
  change: Change,
) => Promise<void>;

function naive(call: (transact: Transact, n: number, id: string) => Promise<Called>): OpenWork {
  return async (job) => {
    const pool = poolOf(job);
    let transactions = 0;
    let retries = 0;
    let calls = 0;
    const transact: Transact = async (...asked) => {
      const client = await pool.connect();
      try {
        for (let attempt = 0; attempt < MOST; attempt += 1) {
          if (await attempted(client, ...asked)) {
            transactions += 1;
            return;
          }
          retries += 1;
        }
        throw new Error(`lost ${MOST} times`);
      } finally {
        client.release();
      }
    };
    const work: Work = {
      call: async () => {
        const n = calls++;
        return call(transact, n, `${job.prefix}-${n}`);
      },
      counts: () => ({ transactions, retries }),
      close: () => pool.end(),
    };
    return work;
  };
}

/** Whether it committed. */
async function attempted(client: pg.PoolClient, ...[id, kind, spent, change]: Parameters<Transact>): Promise<boolean> {
  const prepared = (name: string, values: unknown[]): pg.QueryConfig => ({ name, text: statement(name), values });
  try {
    await client.query("begin isolation level serializable");
    const { rows } = await client.query(prepared("read", [POOL]));
    const now = { tokens: Number(rows[0].tokens), usd: Number(rows[0].usd) };
    const held = { heldTokens: Number(rows[0].held_tokens), heldUsd: Number(rows[0].held_usd) };
    const then = change({ ...now, ...held });
    const usd = (value: number): string => value.toFixed(6);
    await client.query(prepared("write", [POOL, then.tokens, usd(then.usd), then.heldTokens, usd(then.heldUsd)]));
    await client.query(prepared("journal", [POOL, id, kind, spent.tokens, usd(spent.usd)]));
    await client.query("commit");
    return true;
  } catch (error) {
    await client.query("rollback");
    if (lost(error)) return false;
    throw error;
  }
}

const spentOf = (n: number): { tokens: number; usd: number } => {
  const { input_tokens, output_tokens, usd } = usageOf(n);
  return { tokens: input_tokens + output_tokens, usd: Number(usd) };
};

/** One turn metered. */
export const naiveMeter = naive(async (transact, n, id) => {
  const spent = spentOf(n);
  await transact(id, "metered", spent, (now) => ({
    ...now,
    tokens: now.tokens - spent.tokens,
    usd: now.usd - spent.usd,
  }));
  return { done: 1, told: { metered: 1, tokens: spent.tokens } };
});

/** A reservation, and its settlement. */
export const naivePair = naive(async (transact, n, id) => {
  const spent = spentOf(n);
  await transact(`${id}-a`, "spawned", ROOM, (now) => ({
    tokens: now.tokens - ROOM.tokens,
    usd: now.usd - ROOM.usd,
    heldTokens: now.heldTokens + ROOM.tokens,
    heldUsd: now.heldUsd + ROOM.usd,
  }));
  await transact(`${id}-b`, "settled", spent, (now) => ({
    tokens: now.tokens + ROOM.tokens - spent.tokens,
    usd: now.usd + ROOM.usd - spent.usd,
    heldTokens: now.heldTokens - ROOM.tokens,
    heldUsd: now.heldUsd - ROOM.usd,
  }));
  return { done: 1, told: { spawned: 1, settled: 1, tokens: spent.tokens } };
});
