/**
 * Who uses a shared server. Each user holds an advisory lock, shared, for as long as its connection lives: the kernel closes
 * a killed process's connection, so a user that is gone is never counted. Whoever has the same lock alone knows that nobody is left.
 */
import type pg from "pg";

/** Taken in the database `postgres`: advisory locks belong to a database. */
const KEY = "hashtextextended('agent-ledger embedded user', 0)";

/** Becomes a user. Waits while the host looks whether anybody is left, which takes a moment or ends the connection. */
export async function enter(client: pg.ClientBase): Promise<void> {
  await client.query(`select pg_advisory_lock_shared(${KEY})`);
}

/** What the host finds. */
export type Occupancy = "used" | "visited" | "deserted";

/**
 * Looks whether anybody uses the server: `used` by our processes, only `visited` by other sessions (psql), or `deserted`. Then
 * the caller keeps the lock, so that nobody enters any more, until it ends its connection or calls `reopen`. Never waits.
 */
export async function look(client: pg.ClientBase): Promise<Occupancy> {
  const { rows } = await client.query<{ alone: boolean }>(`select pg_try_advisory_lock(${KEY}) as alone`);
  if (!rows[0]?.alone) return "used";
  const { rowCount } = await client.query(
    `select from pg_stat_activity where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid() limit 1`,
  );
  if (!rowCount) return "deserted";
  await reopen(client);
  return "visited";
}

/** Lets users enter again. */
export async function reopen(client: pg.ClientBase): Promise<void> {
  await client.query(`select pg_advisory_unlock(${KEY})`);
}
