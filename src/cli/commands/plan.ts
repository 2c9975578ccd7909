/** `agent-ledger plan <experiment> <file>`: what is going to be compared, and how, before anything is spent on it. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { Complaint } from "../../database/complaint.js";
import { LedgerError } from "../../ledger/errors.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { print, printJson } from "../output.js";
import { addWork } from "../verb.js";

interface PlanOptions extends ConnectionOptions {
  readonly pool?: string;
}

/** Adds the verb. */
export function addPlan(program: Command): void {
  const command = program
    .command("plan")
    .argument("<experiment>", "its name")
    .argument("<file>", "the plan, whatever its form: its bytes are kept")
    .description("register the plan of an experiment, once; agent-ledger gate says whether spend came first")
    .option("--pool <id>", "the pool whose journal takes it (experiment:<name>, opened where it is missing)");
  addWork(command, async (options: PlanOptions, experiment: string, file: string) => {
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      throw new Complaint(`The plan ${file} cannot be read (${error.code}): check the path`);
    });
    await withLedger(options, async (ledger) => {
      const plan = await ledger
        .registerPlan(experiment, bytes, { poolId: options.pool })
        .catch((error: unknown): never => refuse(error, experiment));
      if (options.json) printJson(plan);
      else print(`Plan of ${experiment}: ${plan.planRef}, in pool ${plan.poolId} at seq ${plan.seq}`);
    });
  });
}

function refuse(error: unknown, experiment: string): never {
  if (!(error instanceof LedgerError) || error.code !== "LG011") throw error;
  // An error's text begins in lower case.
  const found = error.message.replace(/^experiment/, "Experiment");
  throw new Complaint(`${found}. A plan is registered once: agent-ledger gate ${experiment} shows it`);
}
