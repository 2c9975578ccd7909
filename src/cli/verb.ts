/** Running one verb: its failures become a message, a hint and an exit code. */
import { inspect } from "node:util";
import type { Command } from "commander";
import { Complaint } from "../database/complaint.js";
import { type ConnectionOptions, databaseOf, withConnection } from "./context.js";
import { describeFailure, EXIT, type Failure, USAGE, UsageError } from "./errors.js";
import { printError, printJsonError, printLegend } from "./output.js";

/** Work of a verb, with its arguments before its options. */
type Work<A extends unknown[], O extends ConnectionOptions> = (options: O, ...args: A) => Promise<void>;

/** Gives a command the options that every verb has, and its work. */
export function addWork<A extends unknown[], O extends ConnectionOptions>(command: Command, work: Work<A, O>): Command {
  return withConnection(command).action(async (...given: unknown[]) => {
    // Commander passes the arguments, then the options, then the command.
    const options = given.at(-2) as O;
    try {
      await work(options, ...(given.slice(0, -2) as A));
      printLegend();
    } catch (error) {
      process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failure;
      printFailure(error, options);
    }
  });
}

/** Says what went wrong and what to do; where it happened only when asked for. */
export function printFailure(error: unknown, options: ConnectionOptions): void {
  report(describeFailure(error, databaseOf(options)), options.json === true);
  if (process.env.AGENT_LEDGER_DEBUG && !(error instanceof Complaint)) printError(...inspect(error).split("\n"));
}

/** Failures go to standard error, also as JSON: what reads the result never takes one for it. */
function report({ code, message, hint, detail }: Failure, json: boolean): void {
  if (json) {
    printJsonError({ error: { code, message, hint, ...(detail !== undefined && { detail }) } });
    return;
  }
  const shown = code === null || code === USAGE ? "" : ` (${code})`;
  // Some messages have several lines: the server's log, what was tried.
  printError(...`agent-ledger: ${message}${shown}`.split("\n"));
  if (hint !== null) printError(`  ${hint}`);
}
