/** Sessions that meet at locks: who waits is read from the server, never guessed from the time that passed. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "pg";
import type { TestDatabase } from "../setup/database.js";
import { type Answer, apply, type Operation, sqlState, submit } from "./operations.js";

/** A wait that should not be is an error after this long, instead of a test that hangs. */
const LOCK_TIMEOUT_MS = 10_000;
const POLL_MS = 2;

/** What a session waits for: `wait_event` of `pg_stat_activity`. */
export type WaitEvent = "advisory" | "transactionid" | "relation";

/** A connection of the test's own, and the process that serves it. */
export interface Session {
  readonly client: Client;
  readonly pid: number;
  submit(tenantId: string, operations: readonly Operation[]): Promise<Answer[]>;
  apply(tenantId: string, operations: readonly Operation[]): Promise<Answer[]>;
  begin(): Promise<void>;
  /** Ends the transaction. */
  end(how: Ending): Promise<void>;
}

/** How a transaction ends. */
export type Ending = "commit" | "rollback";

/** Opens a session; `drop` of the database ends it. */
export async function openSession(database: TestDatabase): Promise<Session> {
  const client = await database.connect();
  await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return {
    client,
    pid: rows[0]?.pid as number,
    submit: (tenantId, operations) => submit(client, tenantId, operations),
    apply: (tenantId, operations) => apply(client, tenantId, operations),
    begin: async () => {
      await client.query("begin isolation level serializable");
    },
    end: async (how) => {
      await client.query(how);
    },
  };
}

/** Applies in a transaction, and again when that loses, as every caller of apply must; answers how it lost. */
export async function applyPatiently(
  session: Session,
  tenantId: string,
  operations: readonly Operation[],
): Promise<string[]> {
  for (const lost: string[] = []; ; ) {
    try {
      await session.begin();
      await session.apply(tenantId, operations);
      await session.end("commit");
      return lost;
    } catch (error) {
      lost.push(sqlState(error) ?? String(error));
      await session.end("rollback");
    }
  }
}

/** Returns once that process waits for a lock of that kind. */
export async function untilWaiting(observer: Client, pid: number, event: WaitEvent = "advisory"): Promise<void> {
  await until(async () => {
    const { rows } = await observer.query(
      "select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock' and wait_event = $2",
      [pid, event],
    );
    return rows.length > 0;
  }, `process ${pid} waits for a lock (${event})`);
}

/** Returns once the condition holds; fails, naming it, when it does not for long. */
export async function until(
  condition: () => Promise<boolean>,
  name: string,
  timeoutMs = LOCK_TIMEOUT_MS,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${name}`);
    await pause(POLL_MS);
  }
}

/** Advisory locks held or awaited in this database, by process. */
export async function advisoryLocks(observer: Client, pid?: number): Promise<{ pid: number; granted: boolean }[]> {
  const { rows } = await observer.query<{ pid: number; granted: boolean }>(
    `select l.pid, l.granted from pg_locks l join pg_database d on d.oid = l.database
     where l.locktype = 'advisory' and d.datname = current_database() and l.pid = coalesce($1, l.pid)`,
    [pid ?? null],
  );
  return rows;
}

/** What is wrong with a tenant's books; nothing, after any test. */
export async function audit(observer: Client, tenantId: string): Promise<unknown[]> {
  return (await observer.query("select pool_id, rule, detail from ledger.audit where tenant_id = $1", [tenantId])).rows;
}
