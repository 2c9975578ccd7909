/**
 * pgbench as load generator, where it is on the PATH: its own simple-update, and `ledger.submit` with one operation a call from the scripts in
 * `pgbench/`, all prepared. Phases: simple-update, meter, spawn, settle (of just those that the last spawn made).
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { accounted, type Load, type Told, type Turn } from "./load.js";

const run = promisify(execFile);

/** Retries of serialization failures, counted, and failures told apart, came with 15. */
const OLDEST = 15;

/** Whether pgbench is here, and new enough. */
export async function hasPgbench(): Promise<boolean> {
  const version = await run("pgbench", ["--version"]).then(
    ({ stdout }) => Number(/(\d+)\./.exec(stdout)?.[1]),
    () => 0,
  );
  return version >= OLDEST;
}

/** What a transaction of each script books. */
const BOOKS: Readonly<Record<string, Told>> = {
  "simple-update": { transactions: 1 },
  meter: { metered: 1, tokens: 1100, usd_millionths: 12_300 },
  spawn: { spawned: 1 },
  settle: { settled: 1, tokens: 1100, usd_millionths: 12_300 },
};

/** Where the load goes. */
export interface PgbenchOptions {
  readonly url: string;
  readonly clients: number;
  /** Of the ledger; not for simple-update. */
  readonly tenant?: string;
  /** How many of its pools. */
  readonly pools?: number;
}

/** How pgbench is told where to connect; the password not by argument, which everybody could read. */
function connection(url: string): { args: string[]; env: NodeJS.ProcessEnv } {
  const to = new URL(url);
  const password = decodeURIComponent(to.password);
  to.password = "";
  return { args: [to.href], env: { ...process.env, PGPASSWORD: password, PGOPTIONS: "-c jit=off" } };
}

/** pgbench's own tables. */
export async function initPgbench(url: string, scale: number): Promise<void> {
  const { args, env } = connection(url);
  await run("pgbench", ["--initialize", "--quiet", "--scale", String(scale), ...args], { env });
}

/** A load of pgbench; every turn is a run of it. */
export function startPgbench({ url, clients, tenant, pools = 0 }: PgbenchOptions): Load {
  const { args, env } = connection(url);
  /** Every turn numbers its operations from a million of its own. */
  let turns = 0;
  const spawned = { from: 0, each: 0, perSecond: 500 };
  const turn = async (ms: number, phase = "simple-update"): Promise<Turn> => {
    turns += 1;
    const seconds = Math.max(1, Math.round(ms / 1000));
    const many = Math.max(5, Math.round((spawned.perSecond * ms) / 1000 / clients));
    if (phase === "spawn") Object.assign(spawned, { from: turns * 1e6, each: many });
    const from = phase === "settle" ? spawned.from : turns * 1e6;
    const paired = phase === "spawn" || phase === "settle";
    const script = fileURLToPath(new URL(`../pgbench/${phase}.sql`, import.meta.url));
    const what = phase === "simple-update" ? ["--skip-some-updates"] : ["--file", script];
    const variables = { tenant, pools, n: from };
    const { stdout } = await run(
      "pgbench",
      [
        ...what,
        "--no-vacuum",
        "--protocol=prepared",
        "--max-tries=100",
        "--failures-detailed",
        ...["--client", String(clients), "--jobs", "2"],
        ...(paired ? ["--transactions", String(spawned.each)] : ["--time", String(seconds)]),
        ...(tenant ? Object.entries(variables).map(([name, value]) => `--define=${name}=${value}`) : []),
        ...args,
      ],
      { env, maxBuffer: 2 ** 24 },
    );
    const report = read(stdout);
    if (phase === "spawn") spawned.perSecond = report.perSecond;
    return turnOf(phase, report);
  };
  return accounted(turn, async () => {});
}

interface Printed {
  readonly processed: number;
  readonly failed: number;
  readonly retries: number;
  readonly perSecond: number;
  readonly latencyMs: number;
}

function read(text: string): Printed {
  const number = (label: RegExp): number => {
    const found = label.exec(text)?.[1];
    if (found === undefined) throw new Error(`pgbench did not print ${label.source}:\n${text}`);
    return Number(found);
  };
  return {
    processed: number(/actually processed: (\d+)/),
    failed: number(/failed transactions: (\d+)/),
    retries: number(/total number of retries: (\d+)/),
    perSecond: number(/tps = ([\d.]+)/),
    latencyMs: number(/latency average = ([\d.]+)/),
  };
}

function turnOf(phase: string, { processed, failed, retries, perSecond, latencyMs }: Printed): Turn {
  const told = Object.entries(BOOKS[phase] ?? {}).map(([key, each]) => [key, each * processed] as const);
  return {
    done: processed,
    ms: (processed / perSecond) * 1000,
    transactions: processed,
    retries,
    latency: { p50: latencyMs, p99: Number.NaN, longest: Number.NaN },
    rssMb: 0,
    heapMb: 0,
    told: Object.fromEntries(told),
    failures: failed > 0 ? [`pgbench ${phase}: ${failed} transactions failed`] : [],
  };
}
