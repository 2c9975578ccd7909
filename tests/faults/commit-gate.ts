/** A way to stop a call when its work is done and it is about to commit. */
import type { Client } from "pg";
import type { TestDatabase } from "../setup/database.js";

/** Any key that is no pool's. */
const KEY = 42;

/** Puts a gate before the commit of everything that writes to the journal; open until it is shut. */
export async function buildCommitGate(database: TestDatabase): Promise<void> {
  await database.pool.query(`create function stop_at_commit() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(${KEY}); return null; end $$`);
  await database.pool.query(`create constraint trigger stop_at_commit after insert on ledger_private.journal
    deferrable initially deferred for each row execute function stop_at_commit()`);
}

/** Who comes to the gate from now on waits for an advisory lock. */
export async function shutCommitGate(client: Client): Promise<void> {
  await client.query("select pg_advisory_lock($1)", [KEY]);
}

/** Lets them pass. */
export async function openCommitGate(client: Client): Promise<void> {
  await client.query("select pg_advisory_unlock($1)", [KEY]);
}
