/**
 * `npm run bench`: how fast the ledger is, each figure next to its baseline. Exit 0: every figure within its target and all books right;
 * 1: not so, or it could not run.
 */
import { Command } from "commander";
import { readingCommand } from "./reading/command.js";
import { writingCommand } from "./writing/command.js";

await new Command("bench")
  .description("Measures on a server of its own, or on that of DATABASE_URL (which needs a superuser).")
  .addHelpText("after", "\nWithout a command: writing, whose options `npm run bench -- writing --help` shows.")
  .addCommand(writingCommand(), { isDefault: true })
  .addCommand(readingCommand())
  .parseAsync();
