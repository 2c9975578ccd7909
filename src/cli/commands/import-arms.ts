/** `agent-ledger import arms <file.jsonl>`: results made elsewhere as runs of experiments. */
import type { Command } from "commander";
import { importArms } from "../../import/arms/import.js";
import type { ArmReport, ImportReport, Problem } from "../../import/arms/report.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { EXIT } from "../errors.js";
import { amount, dollars, print, printJson, printTable, reported } from "../output.js";
import { progressBar } from "../progress.js";
import { addWork } from "../verb.js";

const FIELDS = `
Each line of the file is one run:
  {"experiment": "…", "arm": "…", "task": "…", "input_tokens": 1200, "output_tokens": 340}
and may also have
  replicate   a text or a whole number, where a task ran more than once
  usd         dollars, a number or an exact decimal text; left out, they are unknown, which is not 0
  resolved    true or false; infra: true for a run that broke for reasons of its surroundings
  provider, model, at (an instant such as 2026-03-01T09:30:00Z)

The file is checked before anything is written. Importing it again changes nothing. Exit code 1 where a line was not taken.`;

/** Adds the verb below `import`. */
export function addImportArms(source: Command): void {
  const command = source
    .command("arms")
    .argument("<file>", "JSON lines, one run each")
    .option("--parent <pool>", "the pool that the runs stand under, and that pays for them")
    .description("import results made elsewhere as runs of experiments, to compare their arms")
    .addHelpText("after", FIELDS);
  addWork(command, (options: ConnectionOptions & { readonly parent?: string }, file: string) =>
    withLedger(options, async (ledger) => {
      const bar = progressBar(options);
      const { parent } = options;
      const more = { ...(parent !== undefined && { parent }), onProgress: bar.update };
      const report = await importArms(ledger, file, more).finally(bar.stop);
      if (report.problems.length > 0) process.exitCode = EXIT.failure;
      if (options.json) printJson(report);
      else printImportArms(report);
    }),
  );
}

/** What was imported, and what could not be. */
export function printImportArms(report: ImportReport): void {
  if (report.arms.length > 0) {
    printTable(
      `Imported from ${report.file}, as the ledger has it`,
      ["experiment", "arm", "runs", "tokens", "usd", "resolved", "infra"],
      report.arms.map((arm) => [
        arm.experiment,
        arm.arm,
        ...[count(arm.runs), reported(arm.tokens, arm.tokensKnown), dollarsOf(arm)],
        ...[count(arm.resolved), count(arm.infra)],
      ]),
      2,
    );
  }
  printProblems(report.problems);
  if (!report.valid) {
    print(`Nothing was written: correct ${report.file}, then import it again`);
    return;
  }
  const completed = report.completed > 0 ? `, ${count(report.completed)} got a judgement` : "";
  const failed = report.failed > 0 ? `, ${count(report.failed)} were not taken` : "";
  print(`${count(report.new)} runs were new, ${count(report.existing)} were there already${completed}${failed}`);
}

function dollarsOf({ usd, usdKnown, estimatedUsd, unknownUsdEvents }: ArmReport): string {
  return dollars({
    usd,
    usd_known: usdKnown,
    estimated_usd: estimatedUsd,
    unknown_usd_events: unknownUsdEvents,
  });
}

/** More than these say nothing new to a person; --json has them all. */
const PROBLEMS_SHOWN = 20;

function printProblems(problems: readonly Problem[]): void {
  for (const { line, field, problem } of problems.slice(0, PROBLEMS_SHOWN)) {
    print(
      [...(line === undefined ? [] : [`line ${line}`]), ...(field === undefined ? [] : [field]), problem].join(": "),
    );
  }
  const left = problems.length - PROBLEMS_SHOWN;
  if (left > 0) print(`${count(left)} more problems: --json lists them`);
}

function count(number: number): string {
  return amount(String(number));
}
