/** `npm run bench -- reading`: how fast reading is, each figure next to its baseline. */
import { writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { timeReading } from "./bench.js";
import { FULL, type Sizes, SMALL } from "./case.js";
import { casesOf } from "./cases/all.js";
import { linesOf, tableOf } from "./report.js";

interface Options extends Partial<Record<"nodes" | "events" | "runs" | "gatedRuns", number>> {
  readonly small?: true;
  readonly case?: string[];
  readonly json?: string;
}

const size = (flag: string, description: string): Option =>
  new Option(`${flag} <count>`, description).argParser(Number);

/** The command; sets the exit code to 1 where a figure missed its target or an answer is wrong. */
export function readingCommand(): Command {
  return new Command("reading")
    .description("times the views and the gate on big books, each beside a bare query; about a quarter of an hour")
    .option("--small", "a quick look at whether everything works")
    .option("--case <names...>", "only cases whose name begins so")
    .option("--json <file>", "write the figures there too")
    .addOption(size("--nodes", "nodes of the big run"))
    .addOption(size("--events", "events of the big run"))
    .addOption(size("--runs", "runs among which one is read"))
    .addOption(size("--gated-runs", "runs of the experiment"))
    .action(read);
}

async function read({ small, case: chosen, json, ...given }: Options, command: Command): Promise<void> {
  const sizes: Sizes = { ...(small ? SMALL : FULL), ...given };
  const all = casesOf(sizes);
  const cases = all.filter(({ name }) => !chosen || chosen.some((start) => name.startsWith(start)));
  if (cases.length === 0) command.error(`no such case; there are ${all.map(({ name }) => name).join(", ")}`);
  const report = await timeReading(cases, sizes, (line) => process.stderr.write(`${line}\n`), process.env.DATABASE_URL);
  process.stdout.write(`${linesOf(report)}\n${tableOf(report.figures)}\n`);
  if (small)
    process.stdout.write("Small books: only that answers agree means something; targets are for full sizes.\n");
  for (const line of report.wrong) process.stdout.write(`WRONG  ${line}\n`);
  if (json) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
  const missed = !small && report.figures.some(({ withinTarget }) => !withinTarget);
  process.exitCode = report.wrong.length > 0 || missed ? 1 : 0;
}
