/** `agent-ledger verify-export <file>`: proves an export by itself. No database is asked, and none is started. */
import type { Command } from "commander";
import { Complaint } from "../../database/complaint.js";
import type { Finding } from "../../export/findings.js";
import { type Verdict, verifyExport } from "../../export/verify.js";
import type { ConnectionOptions } from "../context.js";
import { EXIT } from "../errors.js";
import { amount, NOTHING, print, printJson, printTable } from "../output.js";
import { lineCounter } from "../progress.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addVerifyExport(program: Command): void {
  const command = program
    .command("verify-export")
    .argument("<file>", "what agent-ledger export wrote, packed or not")
    .description("prove an export without a database: whole, unchanged, and adding up; exit code 1 where it is not");
  addWork(command, async (options: ConnectionOptions, file: string) => {
    const verdict = await verify(file, lineCounter("Verified", options));
    if (!verdict.proven) process.exitCode = EXIT.failure;
    if (options.json) printJson(verdict);
    else printVerdict(verdict);
  });
}

async function verify(file: string, onProgress: (lines: number) => void): Promise<Verdict> {
  try {
    return await verifyExport(file, onProgress);
  } catch (error) {
    const { syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new Complaint(`${file} cannot be read: ${message}`);
  }
}

function printVerdict(verdict: Verdict): void {
  const { proven, tenant, run, exported_at, counts, sha256, found, findings } = verdict;
  if (found > 0) {
    printTable(
      found > findings.length ? `What is wrong: the first ${findings.length} of ${found}` : "What is wrong",
      ["line", "rule", "where", "detail"],
      findings.map((finding) => [String(finding.line ?? NOTHING), finding.rule, placeOf(finding), finding.detail]),
      4,
    );
  }
  const what = `${tenant === null ? "no tenant" : `tenant ${tenant}`}${run === null ? "" : `, run ${run}`}`;
  print(`${proven ? "Proven" : "Not proven"}: ${what}, exported ${exported_at ?? NOTHING}`);
  const parts = ["pool", "node", "run", "event", "blob"].map((type) => countOf(type, counts[type] ?? 0));
  if (verdict.blobs === false) parts[parts.length - 1] = "blobs left out";
  print(`${parts.join(", ")}; sha256 ${sha256}`);
}

function countOf(type: string, count: number): string {
  return `${amount(String(count))} ${type}${count === 1 ? "" : "s"}`;
}

function placeOf({ pool_id, seq, channel, node_id }: Finding): string {
  const parts = [pool_id, seq === undefined ? "" : `#${seq}`, channel, node_id];
  return parts.filter((part) => part !== undefined && part !== "").join(" ") || NOTHING;
}
