/** `agent-ledger refusals`: who was refused what, and the balances seen. */
import type { Command } from "commander";
import type { RefusalsRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Shortfall } from "../../ledger/protocol.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { amount, instant, NOTHING, print, printJson, printTable } from "../output.js";
import { noSuchPool } from "../reports/no-such.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addRefusals(program: Command): void {
  const command = program
    .command("refusals")
    .option("--pool <pool>", "of that pool only")
    .description("who was refused what, and the balances seen");
  addWork(command, (options: ConnectionOptions & { pool?: string }) =>
    readLedger(options, async (ledger) => {
      const refusals = await readRefusals(ledger, options.pool);
      if (options.pool !== undefined && refusals.length === 0 && !(await hasPool(ledger, options.pool)))
        noSuchPool(options.pool, ledger.tenantId);
      if (options.json) printJson(refusals);
      else printRefusals(refusals);
    }),
  );
}

async function readRefusals(ledger: Ledger, pool: string | undefined): Promise<RefusalsRow[]> {
  return ledger.db
    .selectFrom("refusals")
    .selectAll()
    .where("tenant_id", "=", ledger.tenantId)
    .$if(pool !== undefined, (query) => query.where("pool_id", "=", String(pool)))
    .orderBy("at")
    .orderBy("operation_id")
    .execute();
}

/** Whether nothing was refused there, rather than there being no such place. */
async function hasPool(ledger: Ledger, pool: string): Promise<boolean> {
  const pools = ledger.db.selectFrom("pools").select("pool_id").where("tenant_id", "=", ledger.tenantId);
  return (await pools.where("pool_id", "=", pool).execute()).length > 0;
}

function printRefusals(refusals: readonly RefusalsRow[]): void {
  if (refusals.length === 0) {
    print("Nothing was refused");
    return;
  }
  const rows = refusals.map((refusal) => [
    instant(refusal.at),
    refusal.pool_id ?? NOTHING,
    refusal.label ?? refusal.operation_id ?? NOTHING,
    refusal.code ?? NOTHING,
    shortOf(refusal.shortfall as Shortfall[]),
  ]);
  printTable("Refused", ["at", "pool", "asked for", "reason", "short of"], rows, 5);
}

function shortOf(shortfall: readonly Shortfall[]): string[] {
  return shortfall.map((s) => `${s.channel}: ${amount(s.requested)} asked, ${amount(s.free)} free`);
}
