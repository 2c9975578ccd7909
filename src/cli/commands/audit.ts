/** `agent-ledger audit`: what is wrong with the books. */
import type { Command } from "commander";
import type { AuditRow } from "../../database/schema.generated.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { EXIT } from "../errors.js";
import { NOTHING, print, printJson, printTable } from "../output.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addAudit(program: Command): void {
  const command = program
    .command("audit")
    .description("compare every balance with the journal; exit code 1 where something is wrong");
  addWork(command, (options: ConnectionOptions) =>
    readLedger(options, async (ledger) => {
      const findings = await readAudit(ledger);
      if (options.json) printJson(findings);
      else printAudit(findings);
    }),
  );
}

/** What is wrong; no row = healthy. A finding makes the whole program fail. */
export async function readAudit(ledger: Ledger): Promise<AuditRow[]> {
  const findings = await ledger.db
    .selectFrom("audit")
    .selectAll()
    .where("tenant_id", "=", ledger.tenantId)
    .orderBy("pool_id")
    .orderBy("rule")
    .execute();
  if (findings.length > 0) process.exitCode = EXIT.failure;
  return findings;
}

/** How many findings, and which. */
export function printAudit(findings: readonly AuditRow[]): void {
  if (findings.length > 0) {
    const rows = findings.map((finding) => [
      finding.pool_id ?? NOTHING,
      finding.rule ?? NOTHING,
      JSON.stringify(finding.detail),
    ]);
    printTable("What is wrong", ["pool", "rule", "detail"], rows, 3);
  }
  print(`Audit: ${findings.length} findings`);
}
