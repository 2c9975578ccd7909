/**
 * An agent whose tool calls are watched while it works: it goes round in circles, and that is said at once. Its calls are booked too, without
 * their arguments and results, and the database finds the same in them.
 */
import { createLedger, createPushTraceSource, decodeToolPart, toolCallsOf, watchTrace } from "../../../src/index.js";

const ledger = createLedger({ tenantId: "local" });
const pool = await ledger.openPool({ tokens: 100_000 }, { poolId: "traced-agent" });

/** What the harness of the agent says of a call, here in opencode's form. */
const part = (callID: string, command: string, error?: string) => ({
  type: "tool",
  callID,
  tool: "bash",
  state: error
    ? { status: "error", input: { command }, error, time: { start: 1_000, end: 1_200 } }
    : { status: "completed", input: { command }, output: "done", time: { start: 1_000, end: 1_200 } },
});
const turns = [
  [part("c1", "ls"), part("c2", "npm test", "exit 1")],
  [part("c2", "npm test", "exit 1"), part("c3", "npm test", "exit 1")], // c2 is told again: it stays one call
  [part("c4", "npm test", "exit 1")],
];

const trace = createPushTraceSource({ harness: "opencode" });
const watch = watchTrace(trace, {
  onFinding: ({ detector, tool, streak }) => console.log(`turn ${turn}: ${detector} of ${tool}, ${streak} times`),
});

let turn = 0;
for (const parts of turns) {
  const spans = parts.flatMap((one) => decodeToolPart(one, "opencode") ?? []);
  for (const span of spans) trace.push(span);
  await pool.observe({ input_tokens: 900, output_tokens: 60 }, { turn, toolCalls: toolCallsOf(spans) });
  turn += 1;
}
trace.end();

const { tools } = await watch.done;
console.log("called", JSON.stringify(tools));
const found = await ledger.db
  .selectFrom("tool_findings")
  .where("pool_id", "=", pool.poolId)
  .select(["detector", "tool", "streak", "first_seq", "seq"])
  .orderBy("detector", "desc")
  .execute();
for (const row of found) console.log("booked", JSON.stringify(row));
await ledger.close();
