/** All verbs on one page. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addArchive } from "./commands/archive.js";
import { addAudit } from "./commands/audit.js";
import { addBreakdown } from "./commands/breakdown.js";
import { addExpire } from "./commands/expire.js";
import { addExport } from "./commands/export.js";
import { addGate } from "./commands/gate.js";
import { addHealth } from "./commands/health.js";
import { addImport } from "./commands/import.js";
import { addMcp } from "./commands/mcp.js";
import { addMigrate } from "./commands/migrate.js";
import { addPlan } from "./commands/plan.js";
import { addPool } from "./commands/pool.js";
import { addPrices } from "./commands/prices.js";
import { addPrune } from "./commands/prune.js";
import { addReceive } from "./commands/receive.js";
import { addRefusals } from "./commands/refusals.js";
import { addRole } from "./commands/role.js";
import { addRuns } from "./commands/runs.js";
import { addStart } from "./commands/start.js";
import { addTail } from "./commands/tail.js";
import { addTenant } from "./commands/tenant.js";
import { addTrajectory } from "./commands/trajectory.js";
import { addUsage } from "./commands/usage.js";
import { addVerifyExport } from "./commands/verify-export.js";
import { EXIT, USAGE } from "./errors.js";
import { printError, printJsonError } from "./output.js";

const AFTERWORD = `
Exit codes:
  0  done; for audit: the books are right; for verify-export: the file is proven
  1  failed, or the ledger answered with a refusal or an error; for audit and verify-export: something is wrong
  2  not a call this program knows: a verb, an argument or an option is wrong or missing
  10, 11  of gate: the arms are unequal, inconclusive

Environment:
  DATABASE_URL         the database; without it an embedded Postgres, started as needed
  AGENT_LEDGER_DIR     where the embedded server keeps its data (.agent-ledger in the current folder)
  AGENT_LEDGER_TENANT  the tenant to act for
  AGENT_LEDGER_DEBUG   1 prints where an error happened

Every verb takes --json, --tenant and --database-url; agent-ledger <verb> --help says what else.
With --json a failure is one line of JSON on standard error: {"error": {code, message, hint, detail?}}; of a call this
program does not know, code is usage. A line {"notice": {message}} may come before it.`;

const HELP = "--help says what there is";

/** Runs the verb that the arguments name and answers the exit code. What went wrong is printed. */
export async function runProgram(args: readonly string[]): Promise<number> {
  // Looked for everywhere: what is wrong may stand before it, and keep it from being parsed.
  const json = args.includes("--json");
  try {
    await createProgram(json).parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed the help or version that was asked for, or for people what is wrong.
    if (error.exitCode === 0) return EXIT.ok;
    if (json) printJsonError({ error: { code: USAGE, message: messageOf(error), hint: HELP } });
    return EXIT.usage;
  }
  // Verbs that fail set it.
  return Number(process.exitCode ?? EXIT.ok);
}

/** Help instead of an error is what commander gives where there is no verb to run. */
function messageOf({ code, message }: CommanderError): string {
  return code === "commander.help" ? "there is no such verb" : message.replace(/^error: /, "");
}

/** The program; commander errors are thrown, whatever subcommand they are of. */
function createProgram(json: boolean): Command {
  const { version, description } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const program = new Command("agent-ledger").description(description).version(version);
  for (const add of [addStart, addMigrate, addTenant, addRole, addPool, addExpire, addPrune]) add(program);
  for (const add of [addImport, addReceive, addPrices, addPlan]) add(program);
  for (const add of [addExport, addVerifyExport, addArchive]) add(program);
  for (const add of [
    addRuns,
    addTrajectory,
    addBreakdown,
    addUsage,
    addGate,
    addRefusals,
    addHealth,
    addAudit,
    addTail,
    addMcp,
  ])
    add(program);
  program.addHelpText("after", AFTERWORD);
  withThrownErrors(program, json ? () => {} : printUsageError);
  return program;
}

function withThrownErrors(command: Command, writeErr: (text: string) => void): void {
  command.exitOverride().showHelpAfterError(`(${HELP})`).configureOutput({ writeErr });
  for (const below of command.commands) withThrownErrors(below as Command, writeErr);
}

/** What commander says ends with a line break. */
function printUsageError(text: string): void {
  printError(...text.replace(/\n$/, "").split("\n"));
}
