/**
 * The operating-system account a server runs as. Postgres refuses to run as root, so a root
 * process (a container, a CI job) runs it as `postgres`, which is created where it is missing.
 */
import { stat } from "node:fs/promises";
import { run } from "./process.js";

/** A command to run and the account it is to run as. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** Ids to give to `spawn`; empty where the process keeps its own, or the program changes them. */
  readonly as: Partial<Account>;
}

/** Ids of an account. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const NAME = "postgres";

async function lookUp(): Promise<Account> {
  const [uid, gid] = await Promise.all([run("id", ["-u", NAME]), run("id", ["-g", NAME])]);
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * The account for servers of this process; undefined where it can simply be its own. Data that another
 * account made (root works in a user's project) goes on being that account's.
 */
export async function serverAccount(dataDirectory?: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = dataDirectory === undefined ? undefined : await stat(dataDirectory).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  try {
    return await lookUp();
  } catch {
    // Debian and Red Hat have useradd; Alpine has BusyBox's adduser.
    await run("useradd", ["--system", "--user-group", "--no-create-home", NAME]).catch(() =>
      run("adduser", ["-S", "-D", "-H", NAME]),
    );
    return lookUp();
  }
}

/**
 * How to run a program as `account`. Where that account cannot reach it, or one of `paths` (the checkout
 * is below a private home folder of root), the program keeps the one capability that lets it.
 */
export async function launchAs(
  account: Account | undefined,
  program: string,
  args: readonly string[],
  paths: readonly string[],
): Promise<Launch> {
  if (!account) return { program, args, as: {} };
  if (await canReach(account, [program, ...paths])) return { program, args, as: account };
  const capability = "+dac_override";
  return {
    program: "setpriv",
    args: [
      `--reuid=${account.uid}`,
      `--regid=${account.gid}`,
      "--clear-groups",
      // Otherwise access(2), by which Postgres looks for its own programs, ignores the capability.
      "--securebits=+no_setuid_fixup",
      `--inh-caps=${capability}`,
      `--ambient-caps=${capability}`,
      "--",
      program,
      ...args,
    ],
    as: {},
  };
}

async function canReach(account: Account, paths: readonly string[]): Promise<boolean> {
  const tests = paths.map((path) => run("test", ["-r", path], { ...account, cwd: "/" }));
  return (await Promise.allSettled(tests)).every(({ status }) => status === "fulfilled");
}
