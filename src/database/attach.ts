/**
 * Using the embedded server that several processes share. The first one to come starts it, the last one to leave lets it stop;
 * whoever is killed has left. Behind it stands a process of its own (`host.ts`).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { assertRuns, embeddedBinaries } from "./binaries.js";
import { Complaint } from "./complaint.js";
import { DEFAULT_DIRECTORY, type Home, openHome } from "./home.js";
import { type Attachment, join } from "./join.js";
import { type Launched, launchHost } from "./launch.js";
import { migrate } from "./migrate.js";
import { provisionWriter } from "./provision.js";
import { lastLines, logFile } from "./server.js";

export type { Attachment } from "./join.js";

const POLL_MS = 50;
/** A host may fail for a passing reason: sessions of a server that was killed live on for a moment. */
const ATTEMPTS = 3;
const PAUSE_MS = 500;
const WAY_OUT = "Correct that and try again, or set DATABASE_URL to a Postgres of yours";

/** How to attach. */
export interface AttachOptions {
  /** How long to wait for the server before giving up. */
  readonly patienceMs?: number;
}

/** Where the embedded server's data is: AGENT_LEDGER_DIR, else `.agent-ledger` in the current folder. */
export function defaultDirectory(): string {
  return process.env.AGENT_LEDGER_DIR || DEFAULT_DIRECTORY;
}

/** Becomes a user of the server in `directory`, which is made and started where needed. Fails with a Complaint. */
export async function attach(
  directory: string = defaultDirectory(),
  { patienceMs = 60_000 }: AttachOptions = {},
): Promise<Attachment> {
  const home = await openHome(directory);
  const deadline = Date.now() + patienceMs;
  let host: Launched | undefined;
  let failures = 0;
  try {
    for (;;) {
      const attachment = await join(home);
      if (attachment) return attachment;
      if (Date.now() > deadline) throw await failed(home, `was not ready in ${patienceMs / 1000} s`, logFile(home));
      if (!host) await assertRuns(await embeddedBinaries());
      const code = host?.exitCode();
      if (code) {
        failures += 1;
        if (failures === ATTEMPTS) throw await failed(home, "did not start", home.hostLog, host?.logOffset);
        await sleep(PAUSE_MS);
      }
      if (!host || code !== undefined) host = await launchHost(home);
      await sleep(POLL_MS);
    }
  } finally {
    host?.letGo();
  }
}

async function failed(home: Home, what: string, log: string, from?: number): Promise<Complaint> {
  const reason = (await lastLines(log, from)) || "(it said nothing: is the disk full?)";
  return new Complaint(`Postgres in ${home.directory} ${what}:\n${reason}\n${WAY_OUT}`);
}

/** The ledger of one tenant in the embedded server. */
export interface Opened {
  /** Connects a login role that writes for that tenant alone; the same in every process. */
  readonly url: string;
  /** Connects the superuser. */
  readonly superuserUrl: string;
  /** Settles when the server went away before `release`: open again. Nothing that was committed is lost. */
  readonly lost: Promise<void>;
  /** Leaves. */
  release(): Promise<void>;
}

/** Attaches, brings the schema up to date, and makes the tenant and its login role where they are missing. */
export async function openEmbedded(tenantId: string, directory?: string): Promise<Opened> {
  for (let attempt = 1; ; attempt += 1) {
    const attachment = await attach(directory);
    const { superuserUrl, lost, release } = attachment;
    try {
      await migrate(superuserUrl);
      const { user, password } = await provisionWriter(superuserUrl, tenantId);
      return { url: attachment.urlOf(user, password), superuserUrl, lost, release };
    } catch (error) {
      const isLost = await Promise.race([lost.then(() => true), sleep(PAUSE_MS, false)]);
      await release();
      if (!isLost || attempt === ATTEMPTS) throw error;
    }
  }
}
