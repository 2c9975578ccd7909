/** What a run of an experiment cost: its own spend, known, estimated and unknown, and what is open in it. */
import { expect, it } from "vitest";
import { correct, meter, openPool, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { judge, runOf, spentRun } from "../experiments.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const TEXT = "select * from ledger.run_costs where tenant_id = $1 and run_id = $2";

it("adds up the run's tree and nothing above it", async () => {
  const books = await ledger.open();
  await books.ok(
    openPool("month", { usd: "10" }),
    meter("month", { input_tokens: 900, usd: "1" }),
    runOf("r", { arm: "a", task: "t", replicate: 2 }, { parent_pool_id: "month" }),
    meter("r", { input_tokens: 10, output_tokens: 2, cache_read_tokens: 4, usd: "0.01", ms: 7 }),
    spawnDriver("r", "d"),
    meter("d", { input_tokens: 20, usd: "0.02" }),
    spawn("d", "leaf"),
    settle("leaf", { iterations: 1, input_tokens: 30, reasoning_tokens: 0, usd: "0.03", usd_known: false }),
  );
  expect(await books.row(TEXT, "r")).toMatchObject({
    ...{ experiment: "E", arm: "a", task: "t", replicate: "2", left_out: null, token_charge: "total" },
    ...{
      iterations: "1",
      input_tokens: "60",
      output_tokens: "2",
      cache_read_tokens: "4",
      charged_tokens: "62",
      ms: "7",
    },
    ...{ usd: "0.06", receipt_usd: "0.03", estimated_usd: "0.03", uncertain_usd: "0.03", usd_known: false },
    // The driver, and the run itself, which is a hold of the month.
    ...{ unknown_usd_events: "0", unknown_tokens_events: "0", tokens_known: true, open_holds: "2" },
  });
  await books.ok(settleDriver("d"), { op: "close_pool", pool_id: "r" });
  expect(await books.row(TEXT, "r")).toMatchObject({ open_holds: "0", usd: "0.06", outcome: "done" });
});

it.each([
  { what: "an uncapped run", totals: {} },
  { what: "a capped run", totals: { usd: { total: "5" } } },
])("counts events with unknown dollars once and forgets them when they are corrected: $what", async ({ totals }) => {
  const books = await ledger.open();
  await books.ok(runOf("r", { arm: "a" }, { channels: totals }));
  await books.ok(meter("r", { usd_known: false }, { operation_id: "lost" }));
  await books.ok(meter("r", { usd_known: false }, { operation_id: "gone" }));
  const unknown = { usd: "0", receipt_usd: "0", estimated_usd: "0", usd_known: false };
  expect(await books.row(TEXT, "r")).toMatchObject({ ...unknown, unknown_usd_events: "2" });
  await books.ok(correct("lost", { usd: "0.5", usd_known: false }));
  const estimated = { usd: "0.5", receipt_usd: "0", estimated_usd: "0.5", usd_known: false };
  expect(await books.row(TEXT, "r")).toMatchObject({ ...estimated, unknown_usd_events: "1" });
  await books.ok(correct("lost", { usd: "0.4" }), correct("gone", { usd: "0.1" }));
  const known = { usd: "0.5", receipt_usd: "0.5", estimated_usd: "0", usd_known: true };
  expect(await books.row(TEXT, "r")).toMatchObject({ ...known, unknown_usd_events: "0" });
  await books.ok(correct("lost", { usd_known: false }));
  expect(await books.row(TEXT, "r")).toMatchObject({ unknown_usd_events: "1", usd_known: false });
});

it("says when the first spend happened, which an event of nothing is not", async () => {
  const books = await ledger.open();
  await books.ok(runOf("r", { arm: "a" }), meter("r"));
  expect(await books.row(TEXT, "r")).toMatchObject({ first_spend_at: null });
  await books.ok(meter("r", { input_tokens: 1 }, { effective_at: "2026-01-02T03:04:05Z" }), meter("r", { usd: "1" }));
  expect(await books.row(TEXT, "r")).toMatchObject({ first_spend_at: new Date("2026-01-02T03:04:05Z") });
});

it("leaves out a task and replicate of an infra run in its experiment, and in no other", async () => {
  const books = await ledger.open();
  await books.ok(
    ...spentRun("a1", { arm: "a", task: "t", replicate: 1 }, { input_tokens: 1 }),
    ...spentRun("a2", { arm: "a", task: "t", replicate: 2 }, { input_tokens: 1 }),
    ...spentRun("b1", { arm: "b", task: "t", replicate: 1 }, { input_tokens: 1 }),
    ...spentRun("b0", { arm: "b", task: "t" }, { input_tokens: 1 }),
    ...spentRun("other", { experiment: "F", arm: "b", task: "t", replicate: 1 }, { input_tokens: 1 }),
    judge("a1", false, { infra: true }),
  );
  const rows = await books.rows("select run_id, left_out from ledger.run_costs where tenant_id = $1 order by run_id");
  expect(rows.map(({ run_id, left_out }) => [run_id, left_out])).toEqual([
    ...[
      ["a1", "infra"],
      ["a2", null],
      ["b0", null],
    ],
    ...[
      ["b1", "paired"],
      ["other", null],
    ],
  ]);
});
