/** Arms: sums over the runs that count, what was left out apart, and how runs ended. */
import { expect, it } from "vitest";
import { meter, settleDriver } from "../builders.js";
import { judge, runOf, spentRun } from "../experiments.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const TEXT = "select * from ledger.arm_costs where tenant_id = $1 and experiment = 'E' and arm = $2";

it("sums the runs that count, and says what does not", async () => {
  const books = await ledger.open();
  await books.ok(
    ...spentRun("a1", { arm: "a", task: "1" }, { input_tokens: 100, output_tokens: 5, usd: "0.1", ms: 3 }),
    ...spentRun("a2", { arm: "a", task: "2" }, { input_tokens: 200, usd: "0.2", usd_known: false }),
    ...spentRun("a3", { arm: "a", task: "3" }, { input_tokens: 1000, usd: "7" }),
    ...spentRun("a4", { arm: "a", task: "4" }, { usd_known: false, tokens_known: false }),
    ...spentRun("b3", { arm: "b", task: "3" }, { input_tokens: 50, usd: "0.5" }),
    judge("a1", true),
    judge("a2", false),
    judge("a3", true, { infra: true }),
    judge("a4", true),
    settleDriver("a4", { outcome: "down" }),
  );
  expect(await books.row(TEXT, "a")).toMatchObject({
    ...{ runs: "3", left_out_runs: "1", input_tokens: "300", output_tokens: "5", charged_tokens: "305", ms: "3" },
    ...{ usd: "0.3", receipt_usd: "0.1", estimated_usd: "0.2", uncertain_usd: "0.2", unknown_usd_events: "1" },
    ...{ unknown_tokens_events: "1", tokens_known: false, usd_known: false, open_holds: "0", token_charge: "total" },
    ...{ resolved_runs: "1", judged_runs: "2", errored_runs: "1", left_out_charged_tokens: "1000", left_out_usd: "7" },
  });
  expect(await books.row(TEXT, "b")).toMatchObject({
    ...{ runs: "0", left_out_runs: "1", charged_tokens: "0", usd: "0", tokens_known: true, usd_known: true },
    ...{ left_out_charged_tokens: "50", left_out_usd: "0.5" },
  });
});

it("has no charge unit where runs have different ones", async () => {
  const books = await ledger.open();
  await books.ok(runOf("r", { arm: "a" }), runOf("s", { arm: "a" }, { token_charge: "uncached" }), meter("s"));
  expect(await books.row(TEXT, "a")).toMatchObject({ token_charge: null, runs: "2" });
});
