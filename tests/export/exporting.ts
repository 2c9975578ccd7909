/** Exports as text, and what a verifier makes of a text. */
import { createHash } from "node:crypto";
import { exportTypes } from "../../src/export/encode.js";
import { type Verdict, Verifier } from "../../src/export/verify.js";
import { exportLines } from "../../src/export/write.js";
import type { Ledger } from "../../src/ledger/ledger.js";

/** What to export. */
export interface What {
  readonly run?: string;
  readonly blobs?: boolean;
}

/** The lines of an export, with their line breaks. */
export function exported(ledger: Ledger, { run, blobs = false }: What = {}): Promise<string[]> {
  const { tenantId } = ledger;
  return ledger.snapshot(async (db) => {
    const lines: string[] = [];
    for await (const line of exportLines({ db, tenantId, run }, { blobs })) lines.push(line);
    return lines;
  }, exportTypes());
}

/** Verifies lines as if they were a file. */
export function verified(lines: readonly string[]): Verdict {
  const verifier = new Verifier();
  for (const line of lines) {
    const ended = line.endsWith("\n");
    verifier.read({ bytes: Buffer.from(ended ? line.slice(0, -1) : line), ended });
  }
  return verifier.end();
}

/** The rules that lines break, each once. */
export function rulesBroken(lines: readonly string[]): string[] {
  return [...new Set(verified(lines).findings.map(({ rule }) => rule))];
}

/** Lines with a footer that counts, sums up and digests them: as whoever forges a file would leave them. */
export function signed(lines: readonly string[]): string[] {
  const body = lines.filter((line) => !line.startsWith('{"type":"footer"'));
  const footer = JSON.parse(lines.at(-1) ?? "{}");
  const { counts } = verified(body);
  const sha256 = createHash("sha256").update(body.join("")).digest("hex");
  return [...body, `${JSON.stringify({ type: "footer", counts, sums: sumsOf(body, footer.sums), sha256 })}\n`];
}

/** What the verifier says the postings add up to is the only other opinion there is. */
function sumsOf(body: readonly string[], sums: Record<string, Record<string, string>>): unknown {
  const wrong = verified([
    ...body,
    `${JSON.stringify({ type: "footer", counts: {}, sums, sha256: "0".repeat(64) })}\n`,
  ]);
  for (const { rule, channel = "", detail } of wrong.findings) {
    const [, name = "", is = ""] = /^(\w+): (\S+),/.exec(detail) ?? [];
    if (rule === "sums-differ") sums[channel] = { ...sums[channel], [name]: is };
  }
  return sums;
}
