/** The billing job is killed at any moment and started again while writers go on: in the end what is billed is the journal. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import { between } from "../ledger/random.js";
import { type Tenant, useTenants } from "../ledger/tenants.js";
import { chance } from "../setup/chance.js";

const PROGRAM = fileURLToPath(new URL("billing-pull.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SEED = 20261122;
const KILLS = 4;
const POOLS = ["north", "south"];

const tenants = useTenants();

beforeAll(async () => {
  // No key that would hide a row that was stored twice.
  for (const statement of [
    "create schema billing",
    "create table billing.lines (tenant_id text, pool_id text, seq bigint, run_id text, charged_tokens numeric, usd numeric)",
    "create table billing.cursors (tenant_id text primary key, cursor text not null)",
  ])
    await tenants.observer.query(statement);
});

/** Starts the job; kills it when it has said so many lines, where that is given. Answers how many it said. */
async function pull(tenant: Tenant, mode: "follow" | "once", killAt = Number.POSITIVE_INFINITY): Promise<number> {
  const args = ["--import", "tsx", PROGRAM, tenant.url, tenant.id, tenants.database.url, mode];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let said = 0;
  let complaint = "";
  child.stderr.on("data", (piece) => {
    complaint += piece;
  });
  createInterface({ input: child.stdout }).on("line", () => {
    said += 1;
    if (said >= killAt) child.kill("SIGKILL");
  });
  const [code, signal] = await once(child, "close");
  expect({ code, signal, complaint }).toMatchObject(
    killAt === Number.POSITIVE_INFINITY ? { code: 0 } : { code: null, signal: "SIGKILL" },
  );
  return said;
}

/** Turns, workers, and receipts that come later, until it is told to stop. */
async function write(ledger: Ledger, run: string, signal: AbortSignal): Promise<void> {
  const pool = await ledger.openPool({ tokens: 10_000_000, usd: "900" }, { poolId: run, run: { label: run } });
  for (let turn = 0; !signal.aborted; turn++) {
    const usage = { input_tokens: 100 + turn, output_tokens: 7 };
    await pause(10);
    const { operationId } = await pool.observe({ ...usage, usd: "0.03", usd_known: false }, { turn });
    if (turn % 3 === 0) {
      const room = await pool.reserve({ tokens: 900, usd: "0.5" }, { label: "worker" });
      if (room.ok) await pool.reconcile(room.ticket, { iterations: 1, ...usage, usd: "0.011" });
    }
    if (turn % 5 === 0) {
      const spend = { iterations: 0, ...usage, usd: "0.0205" };
      await ledger.apply([
        { op: "correct", operation_id: `${operationId}/receipt`, of: operationId, reason: "receipt", spend },
      ]);
    }
  }
}

it(`loses nothing and bills nothing twice, killed ${KILLS} times at random moments`, async () => {
  const tenant = await tenants.tenant();
  const ended = new AbortController();
  const ledger = tenant.ledger();
  const writers = Promise.all(POOLS.map((run) => write(ledger, run, ended.signal)));
  const random = chance(SEED);
  const killedAt: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) killedAt.push(await pull(tenant, "follow", between(random, 1, 60)));
  ended.abort();
  await writers;
  await pull(tenant, "once");
  expect(await pull(tenant, "once"), "only that it is done").toBe(1);

  const spends = `select pool_id, seq, run_id, charged_tokens, usd from ledger.journal
    where tenant_id = $1 and source_pool_id is null and iterations is not null`;
  const lines = "select pool_id, seq, run_id, charged_tokens, usd from billing.lines where tenant_id = $1";
  const query = async (text: string): Promise<Record<string, string>[]> =>
    (await tenants.observer.query(text, [tenant.id])).rows;
  expect(await query(`(${spends}) except all (${lines})`), "lost").toEqual([]);
  expect(await query(`(${lines}) except all (${spends})`), "billed twice").toEqual([]);
  const [billed] = await query(
    `select count(*) as lines, sum(usd) as usd, sum(charged_tokens) as tokens from (${lines}) l`,
  );
  const [spent] = await query(
    `select sum(usd)::text as usd, sum(charged_tokens)::text as tokens from ledger.spent_breakdown where tenant_id = $1 and source = 'total'`,
  );
  expect(Number(billed?.lines)).toBeGreaterThan(KILLS);
  expect([Number(billed?.usd), billed?.tokens]).toEqual([Number(spent?.usd), spent?.tokens]);
  console.log(`killed after ${killedAt.join(", ")} lines; ${billed?.lines} spends billed`);
}, 120_000);
