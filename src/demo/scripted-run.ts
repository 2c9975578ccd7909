/**
 * `npm start`: plays a scripted history into the ledger and prints what the ledger says of it. Uses
 * the server of DATABASE_URL (as a superuser), else an embedded one whose data is in `.agent-ledger`.
 */
import type pg from "pg";
import { createPool } from "../database/connect.js";
import { DEFAULT_DIRECTORY, startEmbedded } from "../database/embedded.js";
import { explain } from "../database/explain.js";
import { migrate } from "../database/migrate.js";
import { HISTORY, type Operation, TENANT } from "./history.js";
import { printAudit, printBalances, printBreakdown, printRefusals, printTree } from "./print.js";
import { prepareTenant } from "./tenant.js";
import { viewsOf } from "./views.js";

interface Answer {
  readonly status: "ok" | "refused" | "error" | "replayed";
  readonly code: string | null;
  readonly result: unknown;
}

/** One operation in a transaction of its own: one round trip. */
async function submit(pool: pg.Pool, operation: Operation): Promise<Answer> {
  const text = `call ledger.submit(
    p_tenant_id => $1::text, p_operations => $2::jsonb, p_atomic => false, p_results => null::jsonb)`;
  const { rows } = await pool.query<{ p_results: Answer[] }>(text, [TENANT, JSON.stringify([operation])]);
  const answer = rows[0]?.p_results[0];
  if (!answer || answer.status === "error") {
    throw new Error(`${operation.operation_id}: ${JSON.stringify(answer)}`);
  }
  return answer;
}

async function play(pool: pg.Pool): Promise<void> {
  const count = { ok: 0, refused: 0, error: 0, replayed: 0 };
  for (const operation of HISTORY) count[(await submit(pool, operation)).status] += 1;
  console.log(
    `Tenant ${TENANT}: ${HISTORY.length} operations, ` +
      `${count.ok} ok, ${count.refused} refused, ${count.replayed} replayed (answered before)`,
  );
}

async function main(superuserUrl: string): Promise<void> {
  await migrate(superuserUrl, { log: console.log });
  const pool = createPool(await prepareTenant(superuserUrl));
  try {
    await play(pool);
    const views = viewsOf(pool);
    await printBalances(views);
    await printTree(views);
    await printBreakdown(views);
    await printRefusals(views);
    const findings = await printAudit(views);
    if (findings > 0) process.exitCode = 1;
  } finally {
    await pool.end();
  }
}

async function mainEmbedded(): Promise<void> {
  console.log(`Starting Postgres with its data in ${DEFAULT_DIRECTORY}`);
  const server = await startEmbedded();
  try {
    await main(server.url);
  } finally {
    await server.stop();
  }
  console.log("\nLook into it: npm run serve");
}

const given = process.env.DATABASE_URL || undefined;
try {
  if (given) console.log("Using the server of DATABASE_URL");
  await (given ? main(given) : mainEmbedded());
} catch (error) {
  console.error(explain(error, given) ?? error);
  process.exitCode = 1;
}
