/** What `start` shows of the sample: its runs, one session whole, the books, the dollars, the gates. */
import { sum } from "../../ledger/amounts.js";
import type { LedgerEvent } from "../../ledger/feed.js";
import type { GateRow } from "../../ledger/gate-rows.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, LOCAL_TENANT, type OpenDatabase } from "../context.js";
import { DOLLARS, dollarParts, print, printJson, printLegend, printTable } from "../output.js";
import { readBreakdown } from "../reports/breakdown.js";
import { inWords, printGate, rowOf } from "../reports/gate.js";
import { noSuchRun } from "../reports/no-such.js";
import { EXPERIMENTS, importSample, SHOWN } from "../sample.js";
import { printAudit, readAudit } from "./audit.js";
import { printBreakdown } from "./breakdown.js";
import { printImport } from "./import.js";
import { printRuns, type RunReport, readRuns } from "./runs.js";
import { lineOf } from "./tail.js";
import { printTrajectory, readTrajectory } from "./trajectory.js";

const EVENTS_SHOWN = 5;

/** Imports the sample and prints what the ledger says of it. */
export async function showSample(ledger: Ledger, options: ConnectionOptions, database: OpenDatabase): Promise<void> {
  const sample = await importSample(ledger, options);
  const runs = await readRuns(
    ledger,
    sample.sessions.sessions.map(({ run }) => run),
  );
  const breakdown = (await readBreakdown(ledger, SHOWN)) ?? noSuchRun(SHOWN, ledger.tenantId);
  const trajectory = await readTrajectory(ledger, SHOWN);
  const events: LedgerEvent[] = [];
  for await (const event of ledger.events({ run: SHOWN, last: EVENTS_SHOWN, follow: false })) events.push(event);
  const audit = await readAudit(ledger);
  const gates = await Promise.all(
    EXPERIMENTS.map(async (experiment) => ({ experiment, rows: await ledger.equalK(experiment) })),
  );
  if (options.json) {
    const tail = events.map(({ cursor, row }) => ({ cursor, ...row }));
    const { sessions, books, arms } = sample;
    const read = { runs, breakdown, trajectory, tail, audit, gates };
    printJson({ tenant_id: ledger.tenantId, import: sessions, books, arms, ...read });
    return;
  }
  printImport(sample.sessions);
  const results = `${sample.arms.lines} runs of ${EXPERIMENTS.length} experiments, whose results are made up`;
  print(sample.arms.new > 0 ? `Imported ${results}` : `There already: ${results}`, "");
  printRuns(runs);
  print("", `Session ${SHOWN}`, "");
  printBreakdown(breakdown);
  print();
  printTrajectory(trajectory);
  print("", `Its last ${events.length} events`);
  for (const { row } of events) print(`  ${lineOf(row)}`);
  print();
  printAudit(audit);
  print();
  printCost(runs, sample.books);
  print();
  printGates(gates);
  printLegend();
  print("", "Next:", ...nextSteps(database));
}

/** What the sessions cost, by what that rests on. */
function printCost(runs: readonly RunReport[], books: readonly string[]): void {
  const total = {
    receipt_usd: sum(runs.map((run) => run.receipt_usd)),
    estimated_usd: sum(runs.map((run) => run.estimated_usd)),
    unknown_usd_events: sum(runs.map((run) => run.unknown_usd_events)),
  };
  printTable(
    `Dollars${books.length === 0 ? "" : `, estimated from ${books.join(", ")}`}`,
    ["session", ...DOLLARS],
    [...runs.map((run) => [run.run_id, ...dollarParts(run)]), ["total", ...dollarParts(total)]],
  );
}

/** The first gate whole, of the others the verdict. */
function printGates([first, ...others]: readonly { experiment: string; rows: readonly GateRow[] }[]): void {
  if (first) printGate(`Equal compute? Experiment ${first.experiment}`, first.rows);
  for (const { experiment, rows } of others) {
    const all = rowOf(rows, "all");
    if (!all) continue;
    const deciding = rows.find(({ channel, reason }) => channel !== "all" && reason !== null && reason === all.reason);
    print(`Experiment ${experiment}: ${inWords(all)}${deciding ? `, in ${deciding.channel}` : ""}`);
  }
}

/** What somebody who has seen the screen may want to type. */
function nextSteps({ embedded, tenantId }: OpenDatabase): string[] {
  const tenant = embedded && tenantId === LOCAL_TENANT ? "" : ` --tenant ${tenantId}`;
  const steps = [
    [`trajectory ${SHOWN}`, "the tree of one session"],
    ["usage", "per day and model"],
    ["gate memory --compare none notes", "who solved more, at equal compute"],
    [`pool show ${SHOWN}`, "the pool of that session"],
    ["tail --no-follow -n 20", "the last events"],
    ["import claude-code ~/.claude/projects", "your own sessions"],
    ...(embedded ? [["start --keep", "keeps this Postgres running and prints its psql line"]] : []),
  ];
  const typed = steps.map(([verb, why]) => [`npx agent-ledger ${verb}${tenant}`, why] as const);
  const width = Math.max(...typed.map(([line]) => line.length));
  return typed.map(([line, why]) => `  ${line.padEnd(width)}   ${why}`);
}
