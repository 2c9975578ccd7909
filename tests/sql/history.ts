/** A history in which every kind of row occurs: pools above runs, nested drivers, drawn dollars, refusals, blobs. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Books, Operation } from "./books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "./builders.js";

const BUDGETS: readonly Operation[] = [
  openPool("tenant", { tokens: 90_000, iterations: 900, usd: "90", gpu_seconds: 900 }, { tags: { team: "search" } }),
  openPool("project", { tokens: 50_000, iterations: 500, usd: "50" }, { parent_pool_id: "tenant" }),
  openRun(
    "run-a",
    { tokens: 9_000, iterations: 90 },
    { parent_pool_id: "project", run: { label: "run-a", experiment: "e", arm: "a", task: "t", replicate: 1 } },
  ),
  openRun(
    "run-b",
    { tokens: 9_000, iterations: 90, usd: "9" },
    { parent_pool_id: "project", run: { label: "run-b", experiment: "e", arm: "b", task: "t", replicate: 1 } },
  ),
  openRun("run-c", { tokens: 500, usd: "5" }, { unknown_usd: "flag" }),
  { op: "fund", pool_id: "tenant", amounts: { tokens: 1_000, usd: "-1" } },
];

const WORK: readonly Operation[] = [
  spawnDriver("run-a", "driver", { tokens: 4_000, iterations: 40 }, { runtime: "node", key: "plan" }),
  spawnDriver("driver", "below", { tokens: 1_000, iterations: 10 }),
  spawn("below", "leaf", { tokens: 500, iterations: 5 }, { tags: { step: "search" } }),
  { op: "dispatch", node_id: "leaf" },
  { op: "extend", node_id: "leaf", lease_ms: 60_000 },
  settle(
    "leaf",
    {
      iterations: 2,
      input_tokens: 300,
      output_tokens: 100,
      usd: "0.3",
      resources: { gpu_seconds: { amount: "12.5" } },
    },
    {
      provider: "acme",
      lines: [
        { model: "small", iterations: 1, input_tokens: 200, output_tokens: 40, usd: "0.1" },
        {
          model: "large",
          iterations: 1,
          input_tokens: 100,
          output_tokens: 60,
          usd: "0.2",
          resources: { gpu_seconds: { amount: "12.5" } },
        },
      ],
    },
  ),
  meter(
    "below",
    { input_tokens: 100, output_tokens: 50, cache_read_tokens: 60, usd: "0.05", ms: 900 },
    {
      operation_id: "turn",
      provider: "acme",
      model: "large",
      turn: 1,
      tool_calls: ["search", "read"],
      purpose: "turn",
    },
  ),
  meter(
    "run-c",
    { input_tokens: 10, output_tokens: 5, usd_known: false },
    {
      ...{ provider: "acme", model: "small" },
      tool_calls: ["1", "2", "3"].map((id) => ({ name: "fetch", id, arguments: `sha256:${"0".repeat(64)}` })),
      tool_results: [{ id: "2", status: "error" }],
    },
  ),
  { op: "dispatch", pool_id: "run-c", meter_id: "lost" },
  {
    op: "dispatch",
    pool_id: "run-c",
    meter_id: "lost too",
    ...{ turn: 1, provider: "acme", model: "small", purpose: "turn", detail: { max_usd: "1" } },
  },
  spawn("run-b", "dispatched", { tokens: 100, iterations: 1, usd: "1" }, { lease_ms: 1 }),
  { op: "dispatch", node_id: "dispatched" },
  spawn("run-b", "forgotten", { tokens: 100, iterations: 1 }, { lease_ms: 1, task_ref: `sha256:${"0".repeat(64)}` }),
  spawn("run-b", "cancelled", { tokens: 100, iterations: 1 }),
  { op: "cancel", node_id: "cancelled", reason: "not needed" },
  spawn("run-b", "open", { tokens: 100, iterations: 1, usd: "0.5" }),
];

const ENDS: readonly Operation[] = [
  { op: "expire" },
  settle("dispatched", { iterations: 1, input_tokens: 30, output_tokens: 20, usd: "0.2" }),
  { op: "deliver", pool_id: "below" },
  settleDriver("below"),
  settleDriver("driver", { verdict: { score: 1 }, out_ref: "sha256:00", reason: "found" }),
  correct("turn", { input_tokens: 120, output_tokens: 50, usd: "0.06", ms: 900 }),
  { op: "close_pool", pool_id: "run-a" },
  { op: "judge", run_id: "run-a", resolved: true, score: 0.5 },
  { op: "freeze", pool_id: "run-b", reason: "too dear" },
  { op: "freeze", pool_id: "run-c" },
  { op: "thaw", pool_id: "run-c" },
];

const REFUSED: readonly Operation[] = [
  spawn("run-a", "too-late", { tokens: 1, iterations: 1 }),
  spawn("run-b", "too-cold", { tokens: 1, iterations: 1 }),
  spawn("run-c", "too-big", { tokens: 9_999 }),
];

/** A book under which some of it can be priced; nothing is metered from it. */
const PRICES: readonly Operation[] = [
  { provider: "acme", model: "small", token_class: "input", usd_per_million: "0.5" },
  { provider: "acme", model: "small", token_class: "output", usd_per_million: "2" },
];

/** Every kind of journal row, for tests that say that none is missing here. */
export const JOURNAL_KINDS = [
  "cancelled",
  "closed",
  "corrected",
  "delivered",
  "dispatched",
  "drawn",
  "expired",
  "extended",
  "frozen",
  "funded",
  "judged",
  "metered",
  "opened",
  "planned",
  "settled",
  "spawned",
  "thawed",
];

/** Plays the history in books that are empty. */
export async function playHistory(books: Books): Promise<void> {
  const expectAll = async (status: string, operations: readonly Operation[]): Promise<void> => {
    const answers = await books.apply(operations);
    const other = answers.find((answer) => answer.status !== status);
    if (other) throw new Error(`${JSON.stringify(operations[other.position])}: ${JSON.stringify(other)}`);
  };
  await expectAll("ok", BUDGETS);
  await expectAll("ok", WORK);
  await sleep(5);
  await expectAll("ok", ENDS);
  await expectAll("refused", REFUSED);
  await books.client.query("select ledger.put_prices($1, 'prices', $2)", [books.tenantId, JSON.stringify(PRICES)]);
  await books.client.query("select ledger.use_prices($1, 'prices')", [books.tenantId]);
  await books.client.query("select ledger.put_blob($1, $2)", [books.tenantId, Buffer.from("an artifact")]);
  const { id } = await books.row("select ledger.put_blob($1, 'a plan') as id");
  await expectAll("ok", [{ op: "plan", pool_id: "project", experiment: "e", plan_ref: id }]);
}
