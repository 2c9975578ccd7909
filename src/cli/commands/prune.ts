/** `agent-ledger prune`: deletes operations that are older than the replay window, as an administrator, once or every so often. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type pg from "pg";
import { Complaint } from "../../database/complaint.js";
import { prune } from "../../ledger/call.js";
import { type ConnectionOptions, tenantAsked, withAdministrator } from "../context.js";
import { days, seconds } from "../options.js";
import { amount, instant, print, printJson, printJsonLine } from "../output.js";
import { lineCounter } from "../progress.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";

interface PruneOptions extends ConnectionOptions {
  readonly olderThan?: number;
  readonly every?: number;
}

/** Blocks of a call: some tens of thousands of operations, after which a signal is heeded. */
const STRETCH = 4_096;

/** Adds the verb. */
export function addPrune(program: Command): void {
  const command = program
    .command("prune")
    .option("--older-than <days>", "such as 30d (else replay_days of each tenant's settings, else 30d)", days)
    .option(
      "--every <seconds>",
      "go on until Ctrl-C; with --json a line for each round that deleted something",
      seconds,
    )
    .description(
      "delete operations older than the replay window, with the refusals among them, of all tenants or of --tenant: " +
        "their ids are new again, no balance moves",
    );
  addWork(command, (options: PruneOptions) =>
    withAdministrator(options, (client) =>
      options.every === undefined ? once(client, options) : goOn(client, options, options.every),
    ),
  );
}

async function once(client: pg.Client, options: PruneOptions): Promise<void> {
  const stopped = untilStopped();
  const pruned = await round(client, options, stopped);
  if (stopped.aborted) throw new Complaint(`Stopped: ${amount(String(pruned))} operations are pruned, go on any time`);
  if (options.json) printJson({ tenant_id: tenantAsked(options) ?? null, pruned });
  else print(`Pruned ${amount(String(pruned))} operations`);
}

async function goOn(client: pg.Client, options: PruneOptions, every: number): Promise<void> {
  const stopped = untilStopped();
  if (!options.json) print(`Pruning every ${every} s; Ctrl-C ends it`);
  while (!stopped.aborted) {
    const pruned = await round(client, options, stopped);
    if (pruned > 0 && options.json) printJsonLine({ at: new Date(), pruned });
    else if (pruned > 0) print(`${instant(new Date())}  pruned ${amount(String(pruned))} operations`);
    await sleep(every * 1000, undefined, { signal: stopped }).catch(() => {});
  }
}

/** Goes through all that is kept, a stretch at a time. Answers how many operations went. */
async function round(client: pg.Client, options: PruneOptions, stopped: AbortSignal): Promise<number> {
  const olderThan = options.olderThan === undefined ? null : `${options.olderThan} days`;
  const onProgress = lineCounter("Pruned", options, "operations");
  let pruned = 0;
  for (let from: number | null = 0; from !== null && !stopped.aborted; onProgress(pruned)) {
    const stretch = await prune(client, tenantAsked(options) ?? null, olderThan, from, STRETCH);
    pruned += stretch.pruned;
    from = stretch.next_block;
  }
  return pruned;
}
