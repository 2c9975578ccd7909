/**
 * An import in a process of its own: `importer.ts <url> <tenant> <folder>`. Sends few operations at a time and tells of each
 * batch before and after, so that it can be stopped at any of these points, or in between.
 */
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { createLedger } from "../../src/ledger/ledger.js";
import type { Answer } from "../../src/ledger/protocol.js";

const BATCH = 20;

const [url = "", tenantId = "", folder = ""] = process.argv.slice(2);
const ledger = createLedger({ connectionString: url, tenantId });
const report = await importClaudeCode(
  {
    tenantId,
    db: ledger.db,
    async apply(operations) {
      const answers: Answer[] = [];
      for (let start = 0; start < operations.length; start += BATCH) {
        process.send?.("asked");
        answers.push(...(await ledger.apply(operations.slice(start, start + BATCH))));
        process.send?.("answered");
      }
      return answers;
    },
  },
  folder,
  { final: true },
);
await ledger.close();
process.send?.(report.totals);
process.disconnect?.();
