/**
 * The folder of an embedded server: what is in it, and the little that outlives a start. Several processes may
 * make it at once, so each file appears complete or not at all, and the first one stays.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SUPERUSER } from "./cluster.js";
import { Complaint } from "./complaint.js";
import { LOOPBACK } from "./port.js";

/** Where the data is unless said otherwise: in the folder the command is run from. */
export const DEFAULT_DIRECTORY = ".agent-ledger";

/** The ledger's database in an embedded server. */
export const DATABASE = "agent_ledger";

/** Absolute paths of what such a folder holds. */
export interface Home {
  readonly directory: string;
  /** The cluster; Postgres writes its log beside it (`data.log`). */
  readonly dataDirectory: string;
  /** The superuser's password, for this account alone. */
  readonly passwordFile: string;
  /** The port of the last start. */
  readonly portFile: string;
  /** What the process that owns the shared server has to say. */
  readonly hostLog: string;
}

/** The paths below that folder; nothing is made. */
export function homeAt(directory: string): Home {
  const root = resolve(directory);
  return {
    directory: root,
    dataDirectory: join(root, "data"),
    passwordFile: join(root, "superuser-password"),
    portFile: join(root, "port"),
    hostLog: join(root, "host.log"),
  };
}

/** Makes the folder where it is missing, with a `.gitignore` that keeps all of it out of the project's history. */
export async function openHome(directory: string): Promise<Home> {
  const home = homeAt(directory);
  try {
    await mkdir(home.directory, { recursive: true });
    await createOnce(join(home.directory, ".gitignore"), "*\n", 0o644);
  } catch (error) {
    const reason = (error as Error).message;
    const wayOut = "Set AGENT_LEDGER_DIR to a folder that can be written, or DATABASE_URL to a server of yours";
    throw new Complaint(`${home.directory} cannot be used: ${reason}. ${wayOut}`, { cause: error });
  }
  return home;
}

/** The superuser's password; undefined while the folder has none. */
export async function readPassword({ directory, passwordFile }: Home): Promise<string | undefined> {
  try {
    return (await readFile(passwordFile, "utf8")).trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code !== "EACCES") throw error;
    const wayOut = "work as that account, or set AGENT_LEDGER_DIR to another folder";
    throw new Complaint(`${directory} belongs to another account: ${wayOut}`, { cause: error });
  }
}

/** The same, made at the first start: random, one for all processes that race for it. */
export async function ensurePassword(home: Home): Promise<string> {
  const known = await readPassword(home);
  if (known) return known;
  if (existsSync(home.dataDirectory)) {
    const file = home.passwordFile;
    throw new Complaint(`${file} is missing, and the data beside it opens by no other: put it back, or remove both`);
  }
  await createOnce(home.passwordFile, `${randomBytes(24).toString("base64url")}\n`, 0o600);
  return (await readPassword(home)) as string;
}

/** The port of the last start, so that a line for `psql` printed once goes on working. */
export async function lastPort({ portFile }: Home): Promise<number | undefined> {
  const port = Number(await readFile(portFile, "utf8").catch(() => ""));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Keeps it for the next start. */
export async function rememberPort({ portFile }: Home, port: number): Promise<void> {
  const unfinished = unfinishedName(portFile);
  await writeFile(unfinished, `${port}\n`);
  await rename(unfinished, portFile);
}

/** Connects that user to a database of a server here. */
export function urlAt(port: number, user: string, password: string, database: string = DATABASE): string {
  const url = new URL(`postgres://${LOOPBACK}:${port}`);
  url.username = user;
  url.password = password;
  url.pathname = `/${encodeURIComponent(database)}`;
  // Over the loopback interface to a server without TLS, whatever PGSSLMODE asks of others.
  url.searchParams.set("sslmode", "disable");
  return url.href;
}

/** The same for the superuser. */
export function superuserUrlAt(port: number, password: string, database?: string): string {
  return urlAt(port, SUPERUSER, password, database);
}

async function createOnce(file: string, text: string, mode: number): Promise<void> {
  if (existsSync(file)) return;
  const unfinished = unfinishedName(file);
  try {
    // On disk before anything depends on it: without the password the data is lost.
    await writeFile(unfinished, text, { mode, flush: true });
    // A link, because renaming would take the place of a file that another process made meanwhile.
    await link(unfinished, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** A name for a file in the making that no other process uses. */
function unfinishedName(file: string): string {
  return `${file}.${process.pid}.${randomBytes(4).toString("hex")}.unfinished`;
}
