/** What bears on times: the machine, the server, and which ledger it was. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { promisify } from "node:util";
import type pg from "pg";

/** Settings of the server that bear on times. */
const SETTINGS = [
  "shared_buffers",
  "work_mem",
  "hash_mem_multiplier",
  "max_parallel_workers_per_gather",
  "jit",
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "wal_sync_method",
  "max_wal_size",
  "checkpoint_timeout",
  "autovacuum",
  "random_page_cost",
] as const;

/** Name and value. */
export type Facts = Readonly<Record<string, string | number>>;

/** The machine, in classes. */
export function machineOf(): Facts {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memory_gb: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/** The server's version and settings. */
export async function serverOf(client: pg.ClientBase): Promise<Facts> {
  const { rows } = await client.query<{ name: string; value: string }>(
    "select name, current_setting(name) as value from unnest($1::text[]) name",
    [["server_version", ...SETTINGS]],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** The ledger's version, and the commit where it is a checkout. */
export async function ledgerOf(): Promise<Facts> {
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  const describe = promisify(execFile)("git", ["describe", "--always", "--dirty"], { cwd: import.meta.dirname });
  const commit = await describe.then(({ stdout }) => stdout.trim()).catch(() => "unknown");
  return { version, commit };
}

/** All of them in a line. */
export function factsText(facts: object): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(" · ");
}
