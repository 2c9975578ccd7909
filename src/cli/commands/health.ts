/** `agent-ledger health`: what is open, what waits, and how much of what was spent nobody reported. */
import type { Command } from "commander";
import type { HealthRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { amount, instant, NOTHING, printJson, printTable } from "../output.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addHealth(program: Command): void {
  const command = program
    .command("health")
    .description("what is open and waits, and how much of what was spent is unknown or charged without a receipt");
  addWork(command, (options: ConnectionOptions) =>
    readLedger(options, async (ledger) => {
      const health = await readHealth(ledger);
      if (options.json) printJson(health);
      else printHealth(health, ledger.tenantId);
    }),
  );
}

/** The tenant's row of `ledger.health`; a login that may act for the tenant has one. */
async function readHealth(ledger: Ledger): Promise<HealthRow> {
  return ledger.db
    .selectFrom("health")
    .selectAll()
    .where("tenant_id", "=", ledger.tenantId)
    .executeTakeFirstOrThrow() as Promise<HealthRow>;
}

function printHealth(health: HealthRow, tenantId: string): void {
  const oldest =
    health.oldest_hold_node_id === null
      ? NOTHING
      : `${instant(health.oldest_hold_at)} · ${duration(Number(health.oldest_hold_ms))} · ${health.oldest_hold_node_id}`;
  const rows: [string, string][] = [
    ["open pools", amount(health.open_pools)],
    ["frozen pools", amount(health.frozen_pools)],
    ["sealed channels", amount(health.sealed_channels)],
    ["open holds", amount(health.open_holds)],
    ["oldest hold", oldest],
    ["pools with a lease that passed", amount(health.leases_passed)],
    ["events", amount(health.events)],
    ["spends whose tokens are unknown", percent(health.unknown_tokens_share)],
    ["spends whose dollars are unknown", percent(health.unknown_usd_share)],
    ["tokens charged without a receipt", percent(health.uncertain_tokens_share)],
    ["dollars charged without a receipt", percent(health.uncertain_usd_share)],
    ["refusals in 24 hours", amount(health.refusals_24h)],
    ["retries in 24 hours", amount(health.retries_24h)],
  ];
  printTable(`Health of ${tenantId}`, ["what", "how much"], rows);
}

/** A share from 0 to 1; nothing where there is nothing to have a share of. */
function percent(share: string | null): string {
  if (share === null) return NOTHING;
  const value = Number(share) * 100;
  return value > 0 && value < 0.1 ? "< 0.1%" : `${Number(value.toFixed(1))}%`;
}

/** Whole hours and minutes, or seconds below a minute. */
function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1_000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
