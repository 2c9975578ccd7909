/** `agent-ledger mcp`: the ledger for agents, over the Model Context Protocol on standard input and output. Read-only. */
import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { defaultDirectory } from "../../database/attach.js";
import { homeAt } from "../../database/home.js";
import { createLedgerMcpServer } from "../../mcp/server.js";
import { serveStdio } from "../../mcp/stdio.js";
import { type ConnectionOptions, databaseOf, readLedger } from "../context.js";
import { UsageError } from "../errors.js";
import { printError } from "../output.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";

interface McpOptions extends ConnectionOptions {
  readonly pool?: string;
  readonly run?: string;
}

/** Adds the verb. */
export function addMcp(program: Command): void {
  const command = program
    .command("mcp")
    .option("--pool <pool>", "show that pool and what is below it, and nothing else")
    .addOption(new Option("--run <run>", "the same for a run").conflicts("pool"))
    .description("serve budgets to agents over MCP (stdio), read-only, until its client closes the input")
    .addHelpText(
      "after",
      "\nStandard output carries the protocol, standard error what went wrong. The database refuses every write of this\n" +
        "verb; in production its login is a member of ledger_auditor, bound to the tenant.",
    );
  addWork(command, async ({ pool, run, ...options }: McpOptions) => {
    assertLedger(options);
    await readLedger(
      options,
      async (ledger) => {
        const server = await createLedgerMcpServer({ ledger, pool, run });
        await serveStdio(server, {
          signal: untilStopped(),
          onError: ({ message }) => printError(`agent-ledger mcp: ${message}`),
        });
      },
      { readOnly: true },
    );
  });
}

/** A client starts the server wherever it happens to be: one that only reads makes no ledger of its own there. */
function assertLedger(options: ConnectionOptions): void {
  const { directory, dataDirectory } = homeAt(defaultDirectory());
  if (databaseOf(options) || existsSync(dataDirectory)) return;
  throw new UsageError(
    `There is no ledger in ${directory}: set AGENT_LEDGER_DIR to the .agent-ledger folder of your project, or name a database ` +
      "(--database-url, else DATABASE_URL)",
  );
}
