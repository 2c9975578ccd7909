/** `agent-ledger import otel <file>`: spans of OpenTelemetry as runs. */
import { type Command, Option } from "commander";
import { type ImportReport, importOtel } from "../../import/otel/import.js";
import type { IngestReport, Problem } from "../../import/otel/report.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { EXIT } from "../errors.js";
import { amount, print, printJson, printTable } from "../output.js";
import { addWork } from "../verb.js";

/** Where spans are booked, as it is said on the command line. */
export interface WhereOptions {
  readonly parent?: string;
  readonly pool?: string;
}

const SPANS = `
Calls of models are booked with what they state, as the GenAI conventions have it: tokens that are not stated are unknown,
dollars are estimated from the price book in use. Spans of tools are booked as tool calls. Usage on spans of agents and
workflows, and on a call that has a call below it (no tool or agent between), is a sum and is not counted. Each trace is a
run, called as the trace is, unless --pool names one pool for all. Parts of a trace that are imported apart are right once the
whole is imported again. A --parent that caps dollars is sealed by one call whose model has no price, or which states no tokens.
No prompt, answer or argument is kept.`;

/** The options of where, and what becomes of spans. */
export function withWhere(command: Command): Command {
  return command
    .option("--parent <pool>", "the pool that the runs stand under, and that pays for them")
    .addOption(
      new Option("--pool <pool>", "book everything in that pool, which exists, instead of a run per trace").conflicts(
        "parent",
      ),
    )
    .addHelpText("after", SPANS);
}

/** What of the options says where. */
export function whereOf({ parent, pool }: WhereOptions): WhereOptions {
  return { ...(parent !== undefined && { parent }), ...(pool !== undefined && { pool }) };
}

/** Adds the verb below `import`. */
export function addImportOtel(source: Command): void {
  const command = withWhere(
    source
      .command("otel")
      .argument("<file>", "OTLP in JSON: one export, or one a line; - reads standard input")
      .description(
        "import spans of OpenTelemetry; importing them again changes nothing. Exit code 1 where one was not taken",
      ),
  );
  addWork(command, (options: ConnectionOptions & WhereOptions, file: string) =>
    withLedger(options, async (ledger) => {
      const report = await importOtel(ledger, file, whereOf(options));
      if (report.rejected > 0) process.exitCode = EXIT.failure;
      if (options.json) printJson(report);
      else printImportOtel(report);
    }),
  );
}

function printImportOtel(report: ImportReport): void {
  const { calls, tools } = report;
  printTable(
    `Imported from ${report.file}`,
    ["spans", "found", "new", "already there"],
    [
      ["model calls", ...[calls.found, calls.new, calls.existing].map(count)],
      ["tool calls", ...[tools.found, tools.new, tools.existing].map(count)],
    ],
  );
  printProblems(report.problems);
  for (const line of linesOf(report)) print(line);
}

/** What became of spans, beside the two figures that people look for. */
function linesOf({ spans, traces, calls, corrected, others, ours, rejected }: IngestReport): string[] {
  const wrapped = calls.wrappers > 0 && `${count(calls.wrappers)} calls are counted by the calls below them`;
  return [
    wrapped,
    corrected > 0 &&
      `${count(corrected)} calls booked before were taken back: they are counted by the calls below them`,
    ours > 0 && `${count(ours)} spans are of supervised runs, which are in their ledger already`,
    others > 0 && `${count(others)} other spans were left out`,
    rejected > 0 && `${count(rejected)} were not taken`,
    `${count(spans)} spans, ${count(traces)} traces with calls`,
  ].filter((line) => line !== false);
}

function count(number: number): string {
  return amount(String(number));
}

/** More than these say nothing new to a person; --json has them all. */
const PROBLEMS_SHOWN = 20;

/** Problems, each on a line. */
export function printProblems(problems: readonly Problem[], show: (line: string) => void = print): void {
  for (const { line, trace, span, problem } of problems.slice(0, PROBLEMS_SHOWN)) {
    const place = [
      line !== undefined && `line ${line}`,
      trace !== undefined && `trace ${trace}`,
      span !== undefined && `span ${span}`,
    ];
    show([...place.filter((part) => part !== false), problem].join(": "));
  }
  const left = problems.length - PROBLEMS_SHOWN;
  if (left > 0) show(`${count(left)} more problems: --json lists them`);
}
