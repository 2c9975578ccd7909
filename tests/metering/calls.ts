/** A call, its answer, and what the ledger has of it. */
import type { BudgetPool } from "../../src/ledger/budget-pool.js";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { CallAsked } from "../../src/metering/metered-call.js";

/** What is asked. */
export const asked: CallAsked = {
  provider: "openai",
  model: "gpt-5",
  promptBytes: 1_000,
  attachments: 0,
  maxOutputTokens: 500,
  toolResults: [],
};

/** What is answered. */
export const answer = { spend: { input_tokens: 200, output_tokens: 50, usd: "0.02" }, tools: [], complete: true };

/** Input at 1 dollar and output at 10 dollars per million. */
export const PRICES = (["input", "output"] as const).map((token_class) => ({
  provider: "openai",
  model: "gpt-5",
  token_class,
  usd_per_million: token_class === "input" ? 1 : 10,
}));

/** What happened in a pool since it was opened. */
export function rows(ledger: Ledger, pool: BudgetPool) {
  return ledger.db
    .selectFrom("journal")
    .selectAll()
    .where("pool_id", "=", pool.poolId)
    .where("kind", "<>", "opened")
    .orderBy("seq")
    .execute();
}

/** The latest of it. */
export async function lastRow(ledger: Ledger, pool: BudgetPool) {
  return (await rows(ledger, pool)).at(-1);
}

/** What was reserved for each call, or pool below another. */
export async function budgets(ledger: Ledger) {
  const nodes = await ledger.db
    .selectFrom("nodes")
    .select(["label", "runtime", "budget"])
    .where("parent_node_id", "is not", null)
    .orderBy("spawned_at")
    .execute();
  return nodes.map(({ budget }) => budget);
}
