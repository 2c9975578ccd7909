/** `agent-ledger runs`: every run with what it spent. */
import type { Command } from "commander";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { wholeNumber } from "../options.js";
import { dollars, instant, print, printJson, printTable, reported } from "../output.js";
import { callsOf } from "../reports/calls.js";
import { addWork } from "../verb.js";

/** A run as this verb shows it. Amounts are the texts of the views. */
export interface RunReport {
  readonly run_id: string;
  readonly label: string;
  /** When its first event happened, which for an import is long before it was recorded. */
  readonly started_at: Date;
  readonly status: string;
  readonly calls: string;
  /** False where something was used of which nobody said what it was. */
  readonly calls_known: boolean;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly usd: string;
  /** Dollars by what they rest on: receipts, charges without one, and events that nobody could price. */
  readonly receipt_usd: string;
  readonly estimated_usd: string;
  readonly unknown_usd_events: string;
  readonly tokens_known: boolean;
  readonly usd_known: boolean;
  /** Nodes below the root. */
  readonly children: number;
}

/** Adds the verb. */
export function addRuns(program: Command): void {
  const command = program
    .command("runs")
    .option("-n, --count <count>", "the latest only", wholeNumber)
    .description("every run with what it spent");
  addWork(command, (options: ConnectionOptions & { count?: number }) =>
    readLedger(options, async (ledger) => {
      const all = await readRuns(ledger);
      const runs = options.count === undefined ? all : all.slice(Math.max(0, all.length - options.count));
      if (options.json) printJson(runs);
      else printRuns(runs);
    }),
  );
}

/** All runs of the tenant, or those named, in the order in which they started. */
export async function readRuns(ledger: Ledger, runIds?: readonly string[]): Promise<RunReport[]> {
  const { db, tenantId } = ledger;
  const named = runIds !== undefined;
  const ids = [...(runIds ?? [])];
  const [runs, spent, sizes, calls] = await Promise.all([
    db
      .selectFrom("runs as r")
      .innerJoin("nodes as n", (join) =>
        join.onRef("n.tenant_id", "=", "r.tenant_id").onRef("n.node_id", "=", "r.run_id"),
      )
      .select(["r.run_id", "r.label", "r.opened_at", "n.status"])
      .where("r.tenant_id", "=", tenantId)
      .$if(named, (query) => query.where("r.run_id", "in", ids))
      .execute(),
    db
      .selectFrom("spent_breakdown")
      .select(["run_id", "input_tokens", "output_tokens", "usd", "tokens_known", "usd_known"])
      .select(["receipt_usd", "estimated_usd", "unknown_usd_events"])
      .where("tenant_id", "=", tenantId)
      .where("source", "=", "total")
      .$if(named, (query) => query.where("run_id", "in", ids))
      .execute(),
    db
      .selectFrom("nodes")
      .select(({ fn }) => ["run_id", fn.countAll<string>().as("size")])
      .where("tenant_id", "=", tenantId)
      .where("run_id", "is not", null)
      .$if(named, (query) => query.where("run_id", "in", ids))
      .groupBy("run_id")
      .execute(),
    callsOf(ledger, runIds),
  ]);
  const spentOf = new Map(spent.map((row) => [row.run_id, row]));
  const sizeOf = new Map(sizes.map((row) => [row.run_id, Number(row.size)]));
  const reports = runs.map((run) => {
    const { run_id: _, ...totals } = spentOf.get(run.run_id) ?? { run_id: null, ...NOTHING_SPENT };
    const metered = calls.get(run.run_id);
    return {
      run_id: run.run_id,
      label: run.label,
      started_at: metered?.first ?? run.opened_at,
      status: run.status,
      calls: metered?.calls ?? "0",
      calls_known: metered?.calls_known ?? true,
      ...totals,
      children: (sizeOf.get(run.run_id) ?? 1) - 1,
    };
  });
  return reports.sort((a, b) => a.started_at.getTime() - b.started_at.getTime() || (a.run_id < b.run_id ? -1 : 1));
}

/** A run that opened between two of the queries. */
const NOTHING_SPENT = {
  ...{ input_tokens: "0", output_tokens: "0", tokens_known: true },
  ...{ usd: "0", receipt_usd: "0", estimated_usd: "0", unknown_usd_events: "0", usd_known: true },
};

const ENDED = new Set(["done", "down", "cancelled", "expired"]);

/** How a run stands, for people: open until its root has ended, whether or not that was dispatched. */
export function standing(status: string): string {
  return ENDED.has(status) ? status : "open";
}

/** The table of runs. */
export function printRuns(runs: readonly RunReport[]): void {
  if (runs.length === 0) {
    print("No run yet. agent-ledger import claude-code <folder> imports sessions");
    return;
  }
  printTable(
    "Runs",
    ["run", "label", "started", "status", "calls", "input tokens", "output tokens", "usd", "children"],
    runs.map((run) => [
      run.run_id,
      // The importer's label repeats the id, which says nothing; every other stands as it is.
      run.label === `Claude Code ${run.run_id}` ? "Claude Code" : run.label,
      instant(run.started_at),
      standing(run.status),
      reported(run.calls, run.calls_known),
      reported(run.input_tokens, run.tokens_known),
      reported(run.output_tokens, run.tokens_known),
      dollars(run),
      String(run.children),
    ]),
    4,
  );
}
