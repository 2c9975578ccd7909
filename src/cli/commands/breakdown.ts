/** `agent-ledger breakdown <run>`: where a run's spend comes from. */
import type { Command } from "commander";
import { sum } from "../../ledger/amounts.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { NOTHING, print, printJson, printTable, reported } from "../output.js";
import { type BreakdownReport, type Figures, readBreakdown } from "../reports/breakdown.js";
import { noSuchRun } from "../reports/no-such.js";
import { drawParts } from "../tree.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addBreakdown(program: Command): void {
  const command = program
    .command("breakdown")
    .argument("<run>", "its id")
    .description("driver inference (turns, compaction) beside child work, and per model");
  addWork(command, (options: ConnectionOptions, run: string) =>
    readLedger(options, async (ledger) => {
      const breakdown = (await readBreakdown(ledger, run)) ?? noSuchRun(run, ledger.tenantId);
      if (options.json) printJson(breakdown);
      else printBreakdown(breakdown);
    }),
  );
}

/** What drivers use calls for, in the plural of the table. */
const PURPOSES: Readonly<Record<string, string>> = { turn: "turns", failed: "failed calls", tool: "tools" };

const FIGURES = ["calls", "input tokens", "cache reads", "cache writes", "output tokens", "usd"];

/** The breakdown as two tables. */
export function printBreakdown({
  sources,
  driver_by_purpose: purposes,
  children,
  by_model: models,
}: BreakdownReport): void {
  const driver = callsIn(purposes);
  const callsOf: Readonly<Record<string, Calls>> = {
    driver_inference: driver,
    child_work: children,
    total: callsIn([driver, children]),
  };
  const names = purposes.map(({ purpose }) => (purpose === null ? "other" : (PURPOSES[purpose] ?? purpose)));
  const [driverLine = "", ...purposeLines] = drawParts("driver inference", names);
  const rows = sources.flatMap((row) => {
    const figures = figuresOf({ ...row, ...callsIn([callsOf[row.source] ?? driver]) });
    if (row.source !== "driver_inference") return [[row.source.replace("_", " "), ...figures]];
    return [
      [driverLine, ...figures],
      ...purposes.map((part, index) => [purposeLines[index] ?? "", ...figuresOf(part)]),
    ];
  });
  printTable(
    "Where the run's spend comes from (input tokens include cache reads and writes)",
    ["source", ...FIGURES],
    rows,
  );
  if (models.length === 0) return;
  print();
  printTable(
    "By model",
    ["provider", "model", ...FIGURES],
    models.map((part) => [part.provider ?? NOTHING, part.model ?? NOTHING, ...figuresOf(part)]),
    2,
  );
}

type Calls = Pick<Figures, "calls" | "calls_known">;

function callsIn(parts: readonly Calls[]): Calls {
  return {
    calls: sum(parts.map((part) => part.calls)),
    calls_known: parts.every((part) => part.calls_known),
  };
}

function figuresOf(row: Figures): string[] {
  const { tokens_known: known } = row;
  return [
    reported(row.calls, row.calls_known),
    reported(row.input_tokens, known),
    reported(row.cache_read_tokens, known),
    reported(row.cache_write_tokens, known),
    reported(row.output_tokens, known),
    reported(row.usd, row.usd_known),
  ];
}
