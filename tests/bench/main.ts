/**
 * `npm run bench`: how fast reading is, each figure next to its baseline. Exit 0: every figure within its target and every check sound;
 * 1: not so, or it could not run.
 */
import { writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { runBench } from "./bench.js";
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

const program = new Command("bench")
  .description("Times reading on a server of its own, or on that of DATABASE_URL (which needs a superuser).")
  .option("--small", "a quick look at whether everything works")
  .option("--case <names...>", "only cases whose name begins so")
  .option("--json <file>", "write the figures there too")
  .addOption(size("--nodes", "nodes of the big run"))
  .addOption(size("--events", "events of the big run"))
  .addOption(size("--runs", "runs among which one is read"))
  .addOption(size("--gated-runs", "runs of the experiment"))
  .parse();
const { small, case: chosen, json, ...given } = program.opts<Options>();
const sizes: Sizes = { ...(small ? SMALL : FULL), ...given };
const cases = casesOf(sizes).filter(({ name }) => !chosen || chosen.some((start) => name.startsWith(start)));
if (cases.length === 0) {
  program.error(
    `no such case; there are ${casesOf(sizes)
      .map(({ name }) => name)
      .join(", ")}`,
  );
}
const report = await runBench(cases, sizes, (line) => process.stderr.write(`${line}\n`), process.env.DATABASE_URL);
process.stdout.write(`${linesOf(report)}\n${tableOf(report.figures)}\n`);
if (small)
  process.stdout.write("Small books: only that answers agree means something here; targets are for the full sizes.\n");
for (const line of report.wrong) process.stdout.write(`WRONG  ${line}\n`);
if (json) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
process.exitCode =
  report.wrong.length > 0 || (!small && report.figures.some(({ withinTarget }) => !withinTarget)) ? 1 : 0;
