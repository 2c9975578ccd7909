/** `agent-ledger gate <experiment>`: whether arms cost the same, with an exit code that a pipeline can stop on. */
import { type Command, Option } from "commander";
import { Complaint } from "../../database/complaint.js";
import { LedgerError } from "../../ledger/errors.js";
import { planOf } from "../../ledger/experiments.js";
import type { ArmComparison, GateRow, TaskGateRow, Verdict } from "../../ledger/gate-rows.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { csv } from "../csv.js";
import { UsageError } from "../errors.js";
import { fraction } from "../options.js";
import { print, printJson } from "../output.js";
import { inWords, printComparison, printGate, printPlan, rowOf } from "../reports/gate.js";
import { addWork } from "../verb.js";

interface GateVerbOptions extends ConnectionOptions {
  readonly tolerance?: string;
  readonly by?: "task";
  readonly csv?: true;
  readonly compare?: readonly string[];
}

/** Exit codes beside those of every verb: the last two are verdicts, no failures. From the best to the worst. */
const EXITS: Readonly<Record<Verdict, number>> = { equal: 0, unequal: 10, inconclusive: 11 };

/** Adds the verb. */
export function addGate(program: Command): void {
  const command = program
    .command("gate")
    .argument("<experiment>", "its name")
    .description("whether the arms of an experiment cost the same within a tolerance; then their outcomes")
    .option("--tolerance <part>", "part of the median that the spread may be, 0 to 1 (0.05)", fraction)
    .addOption(new Option("--by <what>", "a verdict for each task").choices(["task"]))
    .option("--csv", "print the rows per channel as comma-separated values (RFC 4180)")
    .option(
      "--compare <arms...>",
      "two arms, last on the line: their outcomes in pairs, refused unless the gate is equal",
    )
    .addHelpText(
      "after",
      "\nExit codes:\n  0 equal, 10 unequal, 11 inconclusive (with --by task: the worst of them), 1 failed, 2 not a call it knows",
    );
  addWork(command, (options: GateVerbOptions, experiment: string) => {
    checkOptions(options);
    return readLedger(options, (ledger) =>
      runGate(ledger, experiment, options).catch(async (error: unknown): Promise<never> => {
        throw await withPlan(ledger, experiment, error);
      }),
    );
  });
}

/** Of an experiment of which no run counts, the plan that there may be all the same. */
async function withPlan(ledger: Ledger, experiment: string, error: unknown): Promise<unknown> {
  if (!(error instanceof LedgerError) || error.code !== "LG010") return error;
  const plan = await planOf(ledger, experiment);
  if (plan === undefined) return error;
  const { plan_ref: ref, pool_id: pool, registered_at: at } = plan;
  const where = `registered at ${at.toISOString()} in pool ${pool}`;
  return new LedgerError(
    "LG010",
    `experiment ${experiment} has a plan and no run that counts. Plan: ${ref}, ${where}`,
    {
      detail: { ...error.detail, plan },
      cause: error,
    },
  );
}

/** @throws {UsageError} where options exclude each other. */
function checkOptions({ json, csv: asCsv, by, compare }: GateVerbOptions): void {
  if (json && asCsv) throw new UsageError("--json and --csv are two forms of one result: give one of them");
  if (compare === undefined) return;
  if (compare.length !== 2)
    throw new UsageError("--compare takes two arms, last on the line: gate <experiment> --compare <a> <b>");
  if (by) throw new UsageError("--compare is of the whole experiment: leave out --by task");
  if (asCsv) throw new UsageError("--csv has the rows per channel and no outcomes: take --json with --compare");
}

async function runGate(ledger: Ledger, experiment: string, options: GateVerbOptions): Promise<void> {
  const { tolerance, compare: [a, b] = [] } = options;
  if (options.by) return runByTask(ledger, experiment, options);
  const { rows, comparison } =
    a === undefined || b === undefined
      ? { rows: await ledger.equalK(experiment, { tolerance }), comparison: undefined }
      : await ledger.gateAndOutcomes(experiment, a, b, { tolerance }).catch(async (error: unknown): Promise<never> => {
          throw await withArms(ledger, experiment, [a, b], error);
        });
  process.exitCode = comparison ? EXITS[comparison.verdict] : exitOf(rows);
  if (options.csv) return printCsv(rows);
  if (options.json) return printJson({ experiment, ...verdictOf(rows), ...(comparison && { comparison }) });
  printGate(`Gate ${experiment}`, rows);
  printPlan(rows[0]?.plan ?? null);
  if (comparison) printOutcomes(comparison);
}

/** Of an arm that the experiment does not have, which arms it has. */
async function withArms(
  ledger: Ledger,
  experiment: string,
  asked: readonly string[],
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof LedgerError) || !/^p_arm_[ab]$/.test(String(error.detail.path))) return error;
  const [row] = await ledger.equalK(experiment);
  const arms = row?.arms.map(({ arm }) => arm) ?? [];
  const missing = asked.filter((arm) => !arms.includes(arm));
  return new Complaint(`The experiment has no arm ${missing.join(" and none ")}. It has ${arms.join(", ")}`);
}

function printOutcomes(comparison: ArmComparison): void {
  print();
  printComparison(comparison);
}

async function runByTask(ledger: Ledger, experiment: string, options: GateVerbOptions): Promise<void> {
  const rows = await ledger.equalKByTask(experiment, { tolerance: options.tolerance });
  process.exitCode = exitOf(rows);
  if (options.csv) return printCsv(rows, true);
  const [whole] = await ledger.equalK(experiment, { tolerance: options.tolerance });
  const tasks = new Map<string | null, TaskGateRow[]>();
  for (const row of rows) tasks.set(row.task, [...(tasks.get(row.task) ?? []), row]);
  const leftOut = [...new Set(whole?.arms.flatMap((arm) => arm.left_out.map(({ task }) => task)))].filter(
    (task) => !tasks.has(task),
  );
  if (options.json) {
    printJson({
      experiment,
      verdict: worstOf(rows),
      tasks: [...tasks].map(([task, ofTask]) => ({ task, ...verdictOf(ofTask) })),
      tasks_left_out: leftOut,
    });
    return;
  }
  for (const [task, ofTask] of tasks) {
    printGate(titleOf(task), ofTask);
    print();
  }
  for (const task of leftOut) print(`${titleOf(task)}: left out of every arm, because of an infra run`);
  print(`Gate ${experiment}, task by task: ${worstOf(rows)}`);
  printPlan(rows[0]?.plan ?? null);
}

function titleOf(task: string | null): string {
  return task === null ? "Runs without a task" : `Task ${task}`;
}

/** One document of the rows of a gate. */
function verdictOf(rows: readonly GateRow[]): Record<string, unknown> {
  const all = rowOf(rows, "all");
  return {
    verdict: all?.verdict,
    reason: all?.reason,
    in_words: all && inWords(all),
    tolerance: all?.tolerance,
    plan: all?.plan,
    channels: rows.map(({ plan: _, ...row }) => row),
  };
}

function worstOf(rows: readonly GateRow[]): Verdict {
  return rows.reduce<Verdict>((worst, { verdict }) => (EXITS[verdict] > EXITS[worst] ? verdict : worst), "equal");
}

function exitOf(rows: readonly GateRow[]): number {
  return EXITS[worstOf(rows)];
}

const COLUMNS = ["channel", "verdict", "reason", "spread", "median", "fraction", "tolerance"] as const;

function printCsv(rows: readonly (GateRow & { readonly task?: string | null })[], byTask = false): void {
  const head = byTask ? ["task", ...COLUMNS] : COLUMNS;
  const fields = rows.map((row) => [...(byTask ? [row.task ?? null] : []), ...COLUMNS.map((column) => row[column])]);
  process.stdout.write(csv(head, fields));
}
