/** A small ledger with a row of every kind, from which each breach starts. */
import type pg from "pg";
import { Books, type Operation } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { archive } from "../retention.js";

const OPERATIONS: readonly Operation[] = [
  openPool("top", { tokens: 1000, iterations: 10, usd: "10", gpu_seconds: 60 }),
  openRun(
    "run",
    { tokens: 500, iterations: 5 },
    { parent_pool_id: "top", run: { label: "run", experiment: "e", arm: "a", task: "t", replicate: 1 } },
  ),
  meter("run", { input_tokens: 20, output_tokens: 10, usd: "0.5" }, { operation_id: "turn" }),
  correct("turn", { input_tokens: 25, output_tokens: 10, usd: "0.75" }),
  spawnDriver("run", "driver", { tokens: 200, iterations: 2 }),
  spawn("driver", "leaf", { tokens: 100, iterations: 1 }),
  settle(
    "leaf",
    { iterations: 1, input_tokens: 40, output_tokens: 20, usd: "0.1" },
    {
      lines: [
        { model: "small", iterations: 1, input_tokens: 30, output_tokens: 5, usd: "0.04" },
        { model: "large", input_tokens: 10, output_tokens: 15, usd: "0.06" },
      ],
    },
  ),
  { op: "deliver", pool_id: "driver" },
  settleDriver("driver"),
  spawn("run", "waiting", { tokens: 50, iterations: 1 }, { key: "k" }),
  openRun("gone"),
  spawn("gone", "spent", {}),
  settle("spent", { input_tokens: 2 }, { lines: [{ model: "small", input_tokens: 2, usd: "0" }] }),
  { op: "close_pool", pool_id: "gone" },
  spawn("run", "refused", { tokens: 9000, iterations: 1 }),
];

const PRICES = [{ provider: "acme", model: "small", token_class: "output", usd_per_million: "2" }];

/** Makes it and answers the tenant's id. */
export async function makeFixture(client: pg.Client): Promise<string> {
  const books = await Books.open(client);
  const answers = await books.apply(OPERATIONS);
  const statuses = answers.map(({ status }) => status);
  if (statuses.filter((status) => status === "ok").length !== OPERATIONS.length - 1 || statuses.at(-1) !== "refused") {
    throw new Error(`the fixture cannot be made: ${JSON.stringify(answers)}`);
  }
  await client.query("select ledger.put_blob($1, 'bytes')", [books.tenantId]);
  await client.query("select ledger.note_retries($1, 1)", [books.tenantId]);
  await client.query("select ledger.put_prices($1, 'book', $2)", [books.tenantId, JSON.stringify(PRICES)]);
  const blob = await client.query<{ id: string }>("select ledger.put_blob($1, 'plan') as id", [books.tenantId]);
  const plan = { op: "plan", pool_id: "run", experiment: "e", plan_ref: blob.rows[0]?.id };
  const [planned] = await books.apply([plan]);
  if (planned?.status !== "ok") throw new Error(`the fixture has no plan: ${JSON.stringify(planned)}`);
  await archive(books, "gone");
  await client.query("insert into ledger_private.role_bindings (tenant_id, role_name) values ($1, 'somebody')", [
    books.tenantId,
  ]);
  return books.tenantId;
}
