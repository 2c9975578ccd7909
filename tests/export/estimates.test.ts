/**
 * Exports of books with a price book, ceilings charged for what expired, late settlements, what is corrected twice, seals, and runs under
 * budgets that pay for them, some closed: all are proven.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books } from "../sql/books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../sql/builders.js";
import { exported, rulesBroken, signed, verified } from "./exporting.js";

const RUNS = ["estimated", "sealed", "open"];

/** A call by a model that has a price, and one by a model that has none. */
const priced = { provider: "acme", model: "small" };
const unpriced = { provider: "acme", model: "nobody-knows" };
const call = { iterations: 1, input_tokens: 20, output_tokens: 10, cache_read_tokens: 5, usd_known: false };

let database: TestDatabase;
let ledger: Ledger;

beforeAll(async () => {
  database = await createTestDatabase();
  const books = await Books.open(await database.connect());
  const prices = ["input", "cache_read", "output"].map((token_class) => ({
    ...priced,
    token_class,
    usd_per_million: "1000",
  }));
  await books.client.query("select ledger.put_prices($1, 'book', $2)", [books.tenantId, JSON.stringify(prices)]);
  await books.client.query("select ledger.use_prices($1, 'book')", [books.tenantId]);
  const under = (parent_pool_id: string, label: string) => ({ parent_pool_id, run: { label } });
  await books.ok(
    openPool("company", { tokens: 90_000, usd: "90" }, { token_charge: "uncached" }),
    openPool("project", { tokens: 50_000 }, { parent_pool_id: "company" }),
    openRun("estimated", { tokens: 9_000 }, under("project", "estimated")),
    openRun("sealed", { tokens: 9_000, usd: "9" }, under("company", "sealed")),
    openRun("open", { tokens: 9_000, usd: "9" }, under("company", "open")),
    spawnDriver("estimated", "driver", { tokens: 4_000 }),
    spawnDriver("driver", "below", { tokens: 1_000 }),
  );
  // Before any dollars are sealed.
  const leaf = (pool: string, id: string) => [
    spawn(pool, id, { tokens: 100, iterations: 1 }, { lease_ms: 1 }),
    { op: "dispatch", node_id: id },
  ];
  for (const operation of [...leaf("below", "late"), ...leaf("below", "lost"), ...leaf("estimated", "early")]) {
    await books.ok(operation);
  }
  await books.ok(
    ...["estimated", "below", "sealed", "open"].flatMap((pool) => [
      meter(pool, call, { ...priced, operation_id: `${pool}-priced` }),
      meter(pool, call, { ...unpriced, operation_id: `${pool}-unknown` }),
    ]),
  );
  await sleep(5);
  await books.ok(
    { op: "expire" },
    settle("late", call, { ...priced, operation_id: "late" }),
    correct("late", { ...call, output_tokens: 20 }),
    correct("late", { ...call, output_tokens: 30, usd_known: true, usd: "0.07" }),
    settleDriver("below"),
    correct("below-priced", { ...call, usd_known: true, usd: "0.04" }),
    settleDriver("driver"),
    settle("lost", call, { ...unpriced, operation_id: "lost" }),
    { op: "close_pool", pool_id: "estimated" },
    // Behind the end of everything: carried all the way up.
    correct("below-unknown", { ...call, usd_known: true, usd: "0.5" }),
    correct("estimated-unknown", { ...call, usd_known: true, usd: "0.6" }),
    settle("early", call, { ...priced, operation_id: "early" }),
    meter("below", call, priced),
    meter("driver", { ...call, resources: { searches: { amount: "3" } } }, unpriced),
    { op: "close_pool", pool_id: "sealed" },
    meter("sealed", call, priced),
    correct("open-unknown", { ...call, usd_known: true, usd: "0" }),
  );
  expect(await books.audit()).toEqual([]);
  ledger = createLedger({ connectionString: database.url, tenantId: books.tenantId });
});

afterAll(async () => {
  await ledger?.close();
  await database?.drop();
});

it.each([undefined, ...RUNS])("is proven: run %s", async (run) => {
  const lines = await exported(ledger, run === undefined ? {} : { run });
  expect(verified(lines)).toMatchObject({ proven: true, findings: [] });
});

it("is not proven where a channel that is uncertain is called measured", async () => {
  const lines = await exported(ledger);
  const forged = lines.map((line) => line.replaceAll('"measured":false', '"measured":true'));
  expect(rulesBroken(signed(forged))).toEqual(["measured-differs-from-balance"]);
});
