/** Views over usage read each row a few times, whoever asks, also in a database that was never analysed. */
import { expect, it } from "vitest";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole } from "../../setup/database.js";
import { meter, openRun, settle, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const RUNS = 3;
const TURNS = 100;

interface Plan {
  readonly "Node Type": string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Plan[];
}

/** Rows that the scans of a plan took up, those thrown away included. */
function rowsRead(plan: Plan): number {
  const { "Actual Rows": rows, "Actual Loops": loops, "Rows Removed by Filter": removed = 0 } = plan;
  const own = /Scan$/.test(plan["Node Type"]) && plan["Node Type"] !== "Subquery Scan" ? (rows + removed) * loops : 0;
  return (plan.Plans ?? []).reduce((sum, below) => sum + rowsRead(below), own);
}

it.each([
  ...["usage_lines", "usage_daily", "usage_by_tool", "tool_calls", "tool_findings"],
  ...["health", "calls_in_doubt", "spend_gaps"],
])("ledger.%s", async (view) => {
  const books = await ledger.open();
  for (let run = 0; run < RUNS; run++) {
    const id = `run-${run}`;
    const line = { model: "m", input_tokens: 1, usd: "0.1" };
    const turns = Array.from({ length: TURNS }, () => meter(id, { input_tokens: 1 }, { tool_calls: ["read"] }));
    const ended = settle("w", { input_tokens: 2, usd: "0.2" }, { node_id: `${id}:w`, lines: [line, line] });
    const lost = { op: "dispatch", pool_id: id, meter_id: `${id}:lost` };
    const answers = await books.apply([openRun(id), ...turns, spawn(id, `${id}:w`), ended, lost]);
    expect(answers.every(({ status }) => status === "ok")).toBe(true);
  }
  const url = await createLoginRole(ledger.database, { memberOf: "ledger_auditor", tenantId: books.tenantId });
  const auditor = await connect(url);
  const { rows } = await auditor.query(
    `explain (analyze, timing off, format json) select * from ledger.${view} where tenant_id = '${books.tenantId}'`,
  );
  await auditor.end();
  expect(rowsRead(rows[0]["QUERY PLAN"][0].Plan)).toBeLessThan(12 * RUNS * (TURNS + 4));
});
