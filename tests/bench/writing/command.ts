/** `npm run bench`: how fast writing is, each figure beside its baseline in the same run. */
import { writeFile } from "node:fs/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { timeWriting } from "./bench.js";
import { FULL, type Options, SMALL } from "./case.js";
import { CASES } from "./cases/all.js";
import { openPlace, type Place } from "./place.js";
import { plotOf } from "./plot.js";
import { figuresOf, linesOf, tableOf, wrongOf } from "./report.js";

interface Given extends Partial<Options> {
  readonly small?: true;
  readonly case?: string[];
  readonly json?: string | true;
  readonly svg?: string | true;
}

const count = (flag: string, description: string): Option =>
  new Option(`${flag} <count>`, description).argParser((text) => {
    const value = Number(text);
    if (value > 0 && Number.isFinite(value)) return value;
    throw new InvalidArgumentError("It must be a number above 0.");
  });

/** The command; sets the exit code to 1 where a figure missed its target or the books are wrong. */
export function writingCommand(): Command {
  return new Command("writing")
    .description("loads the ledger and its baselines turn by turn, and looks into the books after every case")
    .option("--small", "a quick look at whether everything works")
    .option("--case <names...>", "only cases whose name begins so")
    .option("--json [file]", "write the figures there too (bench.json)")
    .option("--svg [file]", "draw them there (bench.svg)")
    .option("--pgledger <file>", "measure beside pgledger, whose SQL is in that file")
    .addOption(count("--rounds", "turns of each side"))
    .addOption(count("--seconds", "length of a turn"))
    .addOption(count("--events", "events of the large journal"))
    .action(write);
}

async function write({ small, case: chosen, json, svg, ...given }: Given, command: Command): Promise<void> {
  const options: Options = { ...(small ? SMALL : FULL), ...given };
  const cases = CASES.filter(({ name }) => !chosen || chosen.some((start) => name.startsWith(start)));
  if (cases.length === 0) command.error(`no such case; there are ${CASES.map(({ name }) => name).join(", ")}`);
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const place = await openPlace(process.env.DATABASE_URL);
  const report = await uninterrupted(place, () => timeWriting(cases, options, log, place));
  if (!report) return;
  const figures = figuresOf(report);
  const wrong = wrongOf(report);
  process.stdout.write(`${linesOf(report)}\n${tableOf(figures)}\n`);
  if (small)
    process.stdout.write("Small sizes: only that the books are right means something; targets are for full sizes.\n");
  for (const line of wrong) process.stdout.write(`WRONG  ${line}\n`);
  if (json) await writeFile(json === true ? "bench.json" : json, `${JSON.stringify(report, null, 2)}\n`);
  if (svg) await writeFile(svg === true ? "bench.svg" : svg, await plotOf(report));
  const missed = !small && figures.some(({ met }) => met === false);
  process.exitCode = wrong.length > 0 || missed ? 1 : 0;
}

/** Works, and leaves the server as it was; also when interrupted, and then answers nothing. */
async function uninterrupted<T>(place: Place, work: () => Promise<T>): Promise<T | undefined> {
  let interrupted = false;
  const leave = (): void => {
    interrupted = true;
    place.close().finally(() => process.exit(130));
  };
  process.once("SIGINT", leave).once("SIGTERM", leave);
  try {
    return await work();
  } catch (error) {
    // Load processes that end, and databases that go, while we leave.
    if (interrupted) return undefined;
    throw error;
  } finally {
    process.off("SIGINT", leave).off("SIGTERM", leave);
    if (!interrupted) await place.close();
  }
}
