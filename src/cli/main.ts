#!/usr/bin/env node
/** The command line. */
import { CommanderError } from "commander";
import { EXIT } from "./errors.js";
import { createProgram } from "./program.js";
import { endQuietlyWithReader } from "./signals.js";

endQuietlyWithReader();
try {
  await createProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version, asked for, are no mistake; commander has printed either.
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
