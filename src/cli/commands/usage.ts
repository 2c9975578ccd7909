/** `agent-ledger usage`: what was used, per day, provider and model. */

import type { Command } from "commander";
import { sql } from "kysely";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { DOLLARS, dollarParts, NOTHING, print, printJson, printTable, reported } from "../output.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addUsage(program: Command): void {
  const command = program.command("usage").description("what was used, per day, provider and model");
  addWork(command, (options: ConnectionOptions) =>
    readLedger(options, async (ledger) => {
      const usage = await readUsage(ledger);
      if (options.json) printJson(usage);
      else printUsage(usage);
    }),
  );
}

const SUMMED = [
  "lines",
  "iterations",
  "input_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "output_tokens",
  "reasoning_tokens",
] as const;

/** A day, provider and model with the view's figures, whatever their purposes and tags, added up. */
type UsageReport = Awaited<ReturnType<typeof readUsage>>[number];

function readUsage({ db, tenantId }: Ledger) {
  return db
    .selectFrom("usage_daily")
    .select([sql<string>`day::text`.as("day"), "provider", "model"])
    .select(SUMMED.map((name) => sql<string>`sum(${sql.ref(name)})`.as(name)))
    .select([
      sql<string | null>`sum(usd)`.as("usd"),
      sql<string>`sum(receipt_usd)`.as("receipt_usd"),
      sql<string>`sum(estimated_usd)`.as("estimated_usd"),
      sql<string>`sum(unknown_usd_events)`.as("unknown_usd_events"),
      sql<boolean>`bool_and(tokens_known)`.as("tokens_known"),
      sql<boolean>`bool_and(usd_known)`.as("usd_known"),
    ])
    .where("tenant_id", "=", tenantId)
    .groupBy(["day", "provider", "model"])
    .orderBy("day")
    .orderBy("provider")
    .orderBy("model")
    .execute();
}

function printUsage(usage: readonly UsageReport[]): void {
  if (usage.length === 0) {
    print("Nothing was used yet");
    return;
  }
  printTable(
    "Usage per day (UTC)",
    ["day", "provider", "model", "input tokens", "cache reads", "cache writes", "output tokens", ...DOLLARS],
    usage.map((row) => [
      row.day,
      row.provider ?? NOTHING,
      row.model ?? NOTHING,
      reported(row.input_tokens, row.tokens_known),
      reported(row.cache_read_tokens, row.tokens_known),
      reported(row.cache_write_tokens, row.tokens_known),
      reported(row.output_tokens, row.tokens_known),
      ...dollarParts(row),
    ]),
    3,
  );
}
