/** What comes with the package: real sessions, prices for their models, and results of experiments. */
import { fileURLToPath } from "node:url";
import { sql } from "kysely";
import { Complaint } from "../database/complaint.js";
import { importArms } from "../import/arms/import.js";
import type { ImportReport as ArmsReport } from "../import/arms/report.js";
import { importClaudeCode } from "../import/claude-code/import.js";
import type { ImportReport as SessionsReport } from "../import/claude-code/report.js";
import type { Ledger } from "../ledger/ledger.js";
import { readCatalogue } from "../prices/catalogue.js";
import { importPrices } from "./commands/prices.js";
import { progressBar } from "./progress.js";
import { readPriceBooks } from "./reports/price-books.js";

/** The session that is shown in detail. */
export const SHOWN = "258c7280-ae70-4798-800f-63464d01a85d";

/** The experiment whose gate is shown whole, and the other ones. */
export const EXPERIMENTS = ["memory", "model-size", "retries"] as const;

/** Files beside the sources in a checkout, and in an installation too. */
const fileOf = (name: string): string => fileURLToPath(new URL(`../../src/sample/${name}`, import.meta.url));

/** What was imported, and the books that its dollars were estimated from. */
export interface SampleReport {
  readonly books: readonly string[];
  readonly sessions: SessionsReport;
  readonly arms: ArmsReport;
}

/**
 * Imports it: prices first, because a call is priced when it is metered; not where the tenant has a book, whether or not it is in use.
 * Again, it changes nothing.
 */
export async function importSample(ledger: Ledger, options: { readonly json?: true }): Promise<SampleReport> {
  await refuseOwnBooks(ledger);
  if ((await readPriceBooks(ledger)).length === 0)
    await importPrices(ledger, await readCatalogue(["anthropic"]), { use: true });
  const bar = progressBar(options);
  const progress = { onProgress: bar.update };
  try {
    const sessions = await importClaudeCode(ledger, fileOf("claude-code"), { final: true, ...progress });
    const arms = await importArms(ledger, fileOf("arms/arms.jsonl"), progress);
    const runs = sessions.sessions.map(({ run }) => run);
    return { books: await booksOf(ledger, runs), sessions, arms };
  } finally {
    bar.stop();
  }
}

/** The books that dollars of those runs were estimated from when they were metered. */
async function booksOf({ db, tenantId }: Ledger, runs: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom("journal")
    .select(sql<string>`detail ->> 'price_book'`.as("book"))
    .distinct()
    .where("tenant_id", "=", tenantId)
    .where("run_id", "in", runs)
    .where(sql<boolean>`detail ->> 'price_book' is not null`)
    .orderBy("book")
    .execute();
  return rows.map(({ book }) => book);
}

/**
 * The journal is append-only: the sample among somebody's own books would stay there. So it comes into a tenant that has nothing, or has
 * it already.
 */
async function refuseOwnBooks(ledger: Ledger): Promise<void> {
  const pools = ledger.db.selectFrom("pools").where("tenant_id", "=", ledger.tenantId).select("pool_id").limit(1);
  const [any] = await pools.execute();
  if (!any || (await pools.where("pool_id", "=", SHOWN).execute()).length > 0) return;
  throw new Complaint(
    `Tenant ${ledger.tenantId} has books of its own, and the sample would stay in them: name another tenant (--tenant sample)`,
  );
}
