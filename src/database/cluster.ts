/**
 * A Postgres cluster of our own, as `initdb` makes it. The embedded server and the servers of the
 * tests are such clusters, whichever binaries they run.
 */
import { randomBytes } from "node:crypto";
import { chown, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Account, launchAs, serverAccount } from "./account.js";
import type { Binaries } from "./binaries.js";
import { Complaint } from "./complaint.js";
import { isAlive, run } from "./process.js";

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
 * required. It appears complete or not at all, because initdb may be interrupted; of several
 * processes that make it at once, the first one's stays and all may use it.
 */
export async function createCluster({ binaries, dataDirectory }: Cluster, password: string): Promise<void> {
  await removeAbandoned(dataDirectory);
  const unfinished = `${dataDirectory}.${process.pid}.${randomBytes(4).toString("hex")}.unfinished`;
  const passwordFile = `${unfinished}.password`;
  const account = await serverAccount();
  try {
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    await give([unfinished, passwordFile], account);
    const args = [`--pgdata=${unfinished}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`];
    args.push("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale");
    const launch = await launchAs(account, binaries.initdb, args, [binaries.postgres, unfinished]);
    await run(launch.program, launch.args, { ...launch.as, cwd: "/", env: SERVER_ENVIRONMENT }).catch(complain);
    await rename(unfinished, dataDirectory).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster: a folder that is not empty is never replaced.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(passwordFile, { force: true });
    await rm(unfinished, { recursive: true, force: true });
  }
}

function complain(error: Error & { readonly stderr?: string }): never {
  throw new Complaint(`initdb failed:\n${(error.stderr || error.message).trim()}`, { cause: error });
}

/** Removes what processes that were killed in the making have left beside the cluster. */
async function removeAbandoned(dataDirectory: string): Promise<void> {
  const folder = dirname(dataDirectory);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(dataDirectory)}.`) || !name.includes(".unfinished")) continue;
    const maker = Number(name.split(".").find((part) => /^\d+$/.test(part)));
    if (maker && isAlive(maker)) continue;
    // An initdb that outlived its process may be writing there still: then it waits for the next time.
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}

async function give(paths: readonly string[], account: Account | undefined): Promise<void> {
  if (!account) return;
  for (const path of paths) await chown(path, account.uid, account.gid);
}
