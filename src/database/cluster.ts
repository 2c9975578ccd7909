/**
 * A Postgres cluster of our own, as `initdb` makes it. The embedded server and the servers of the
 * tests are such clusters, whichever binaries they run.
 */
import { chown, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { type Account, launchAs, serverAccount } from "./account.js";
import type { Binaries } from "./binaries.js";
import { run } from "./process.js";

/** The superuser of every cluster made here. */
export const SUPERUSER = "postgres";

/** Where a cluster is, and the programs that run it. */
export interface Cluster {
  readonly binaries: Binaries;
  readonly dataDirectory: string;
}

/** No PGDATA, PGPORT or LD_LIBRARY_PATH that belongs to another installation. */
export const SERVER_ENVIRONMENT = { PATH: process.env.PATH ?? "", LC_ALL: "C" };

/**
 * Makes a cluster: UTF8, the C locale (the same order of text on every machine), passwords
 * required. It appears complete or not at all, because initdb may be interrupted.
 */
export async function createCluster({ binaries, dataDirectory }: Cluster, password: string): Promise<void> {
  const unfinished = `${dataDirectory}.unfinished`;
  const passwordFile = `${dataDirectory}.password`;
  const account = await serverAccount();
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  try {
    await give([unfinished, passwordFile], account);
    const args = [`--pgdata=${unfinished}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`];
    args.push("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale");
    const launch = await launchAs(account, binaries.initdb, args, [binaries.postgres, unfinished]);
    await run(launch.program, launch.args, { ...launch.as, cwd: "/", env: SERVER_ENVIRONMENT });
    await rename(unfinished, dataDirectory);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function give(paths: readonly string[], account: Account | undefined): Promise<void> {
  if (!account) return;
  for (const path of paths) await chown(path, account.uid, account.gid);
}
