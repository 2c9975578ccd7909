/**
 * A run in a process of its own, which may be killed anywhere and started again with the same arguments:
 * `victim.js '{"url", "tenantId", "provider", "variant", "point"}'`. It prints its result as JSON.
 */
import pg from "pg";
import { createLedger } from "../../../src/ledger/ledger.js";
import { createSupervisor } from "../../../src/supervise/supervisor.js";
import { Cast } from "./agents.js";
import type { KillPoint } from "./points.js";
import { variantOf } from "./variants.js";
import { ROOT } from "./work.js";

/** What a victim is told. */
export interface Orders {
  /** Of the ledger's database. */
  readonly url: string;
  readonly tenantId: string;
  /** Of the provider. */
  readonly provider: string;
  readonly variant: string;
  readonly point: KillPoint | undefined;
}

/** Long enough for a busy machine to renew it in time, short enough to wait for. */
const LEASE_MS = 1_500;

const die = (): Promise<never> => {
  process.kill(process.pid, "SIGKILL");
  // The signal may take a moment.
  return new Promise<never>(() => {});
};

type Query = (this: pg.Client, ...args: unknown[]) => unknown;

/** Kills the process at that operation of the ledger, by way of the driver of Postgres that every call goes through. */
function dieAt({ op, stage, n }: Extract<KillPoint, { at: "operation" }>): void {
  let left = n;
  const query = pg.Client.prototype.query as Query;
  const watched: Query = function (...args) {
    const { text = "", values = [] } = (args[0] ?? {}) as { text?: string; values?: unknown[] };
    const operations = /ledger\.(submit|apply)\(/.test(text) ? (JSON.parse(String(values[1])) as { op: string }[]) : [];
    const before = left;
    left -= operations.filter((operation) => operation.op === op).length;
    if (before <= 0 || left > 0) return query.apply(this, args);
    if (stage === "before") return die();
    const answer = query.apply(this, args) as Promise<unknown>;
    return stage === "sent" ? die() : answer.then(die, die);
  };
  Object.assign(pg.Client.prototype, { query: watched });
}

async function main({ url, tenantId, provider, variant, point }: Orders): Promise<void> {
  if (point?.at === "operation") dieAt(point);
  const ledger = createLedger({ connectionString: url, tenantId });
  const { root, unknownUsd } = variantOf(variant);
  if (point?.at === "moment") setTimeout(die, point.ms);
  const result = await createSupervisor({ ledger }).run(
    new Cast(provider, variant).driver(ROOT),
    { key: ROOT },
    {
      runId: ROOT,
      budget: root,
      unknownUsd,
      leaseMs: LEASE_MS,
      resume: true,
    },
  );
  process.stdout.write(`${JSON.stringify(result)}\n`);
  await ledger.close();
}

await main(JSON.parse(process.argv[2] ?? "{}") as Orders);
