#!/usr/bin/env node
/** The command line. */
import { EXIT } from "./errors.js";
import { runProgram } from "./program.js";
import { endQuietlyWithReader } from "./signals.js";
import { printFailure } from "./verb.js";

endQuietlyWithReader();
// What no verb was waiting for; nothing can be trusted after that.
process.on("uncaughtException", (error) => {
  printFailure(error, process.argv.includes("--json") ? { json: true } : {});
  process.exit(EXIT.failure);
});
process.exitCode = await runProgram(process.argv.slice(2));
