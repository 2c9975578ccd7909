/** The loads that several cases share: the ledger's client, and the baselines with books of their own. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bookedBy, differences } from "../books.js";
import type { Bench } from "../case.js";
import type { Database } from "../place.js";
import { statementsOf } from "../sql-file.js";
import type { Job } from "./jobs.js";
import type { Load } from "./load.js";
import { startProcess } from "./process.js";

/** Connections of every Node load: the ledger's client, the naive one and pgledger alike. */
export const CONNECTIONS = 8;

/** Callers of the hot pool's cases. */
export const CALLERS = 64;

/** Stops what was started, whatever happens. */
export class Loads {
  readonly #started: Load[] = [];
  #asked = 0;

  /** A load process. */
  async start(job: Partial<Job> & Pick<Job, "work" | "url">): Promise<Load> {
    const started = await startProcess({
      connections: CONNECTIONS,
      callers: CALLERS,
      prefix: `load${++this.#asked}`,
      ...job,
    });
    this.#started.push(started);
    return started;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map((load) => load.stop()));
  }
}

/** Runs `work` with loads that are stopped at its end. */
export async function withLoads<T>(work: (loads: Loads) => Promise<T>): Promise<T> {
  const loads = new Loads();
  return work(loads).finally(() => loads.stop());
}

/** A baseline that runs, and the look into its books. */
export interface Baseline {
  readonly load: Load;
  wrong(): Promise<string[]>;
}

/** Starts a baseline of `baselines/<file>.sql` in a database of its own. */
export async function baseline(
  loads: Loads,
  database: Database,
  file: string,
  job: Partial<Job> & Pick<Job, "work">,
): Promise<Baseline> {
  const statement = statementsOf(`baselines/${file}`);
  await database.superuser.query(statement("setup"));
  const load = await loads.start({ url: database.url, ...job });
  return {
    load,
    wrong: async () => differences(file, [load], await bookedBy(database.superuser, statement("booked"))),
  };
}

/** pgledger, where its file was given. */
export async function pgledgerBaseline(loads: Loads, { place, options }: Bench): Promise<Baseline | undefined> {
  if (!options.pgledger) return undefined;
  const database = await place.bare();
  const statement = statementsOf("baselines/pgledger");
  for (const text of await pgledgerFiles(options.pgledger)) await database.superuser.query(text);
  const accounts: string[] = [];
  for (const name of ["one", "other"]) {
    const { rows } = await database.superuser.query<{ id: string }>(statement("account"), [name]);
    accounts.push(rows[0]?.id ?? "");
  }
  const load = await loads.start({ work: "pgledger", url: database.url, parameters: accounts });
  return {
    load,
    wrong: async () => differences("pgledger", [load], await bookedBy(database.superuser, statement("booked"))),
  };
}

/** The file, after the helpers that its checkout has in a folder beside it. */
async function pgledgerFiles(file: string): Promise<string[]> {
  const folder = join(dirname(file), "vendor", "scoville-pgsql-ulid");
  const vendored = await readdir(folder).catch(() => []);
  const files = [...vendored.filter((name) => name.endsWith(".sql")).map((name) => join(folder, name)), file];
  return Promise.all(files.map((name) => readFile(name, "utf8")));
}
