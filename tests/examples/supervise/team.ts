/**
 * Two workers and a driver below the driver: what it came to, where the spend went, and the tree. The models are scripted, so that it runs
 * without a network; `routerDriverChat({ model, baseURL, apiKey })` in their place asks a real one.
 */
import {
  coordinationDriverAgent,
  createLedger,
  createSupervisor,
  driverChild,
  scriptedChat,
  worker,
} from "../../../src/index.js";

const ledger = createLedger({ tenantId: "local" });

// A worker says what it made, how good that is, and what it spent. Left out is unknown, not zero.
const writer = worker("writer", (subject: string) => ({
  out: `about ${subject}`,
  verdict: { valid: true, score: subject.length / 10 },
  spent: { input_tokens: 900, output_tokens: 300, usd: "0.004" },
}));

// A driver gives work to others by tools. Every call of its model is metered; its result is the best of its workers'.
const perWorker = { maxTokens: 2_000, maxIterations: 1, maxUsd: "0.01" };
const give = (profile: string, task: string, more = {}) => ({
  name: "spawn_worker",
  arguments: { profile, task, ...more },
});
const wait = { name: "await_event" };
const cost = { usage: { input: 500, output: 40 }, costUsd: "0.002" };

const editor = coordinationDriverAgent({
  name: "editor",
  chat: scriptedChat([{ ...cost, toolCalls: [give("writer", "rivers")] }, { ...cost, toolCalls: [wait] }, cost]),
  profiles: { writer },
  perWorker,
});
const publisher = coordinationDriverAgent({
  name: "publisher",
  chat: scriptedChat([
    {
      ...cost,
      toolCalls: [
        give("writer", "sea"),
        give("writer", "hills"),
        give("editor", "an article", { budget: { tokens: 6_000, iterations: 4, usd: "0.05" } }),
      ],
    },
    { ...cost, toolCalls: [wait, wait, wait] },
    cost,
  ]),
  profiles: { writer, editor: driverChild(editor) },
  perWorker,
});

const result = await createSupervisor({ ledger }).run(publisher, "an issue on water", {
  runId: "issue-1",
  budget: { tokens: 50_000, iterations: 20, usd: "1" },
  resume: true, // starts the run, goes on with it, or answers how it ended
});

if (result.kind === "winner") console.log("winner:", result.out, result.verdict.score);
else console.log("no winner:", result.reason);
for (const [source, { charged_tokens, usd, iterations }] of Object.entries(result.spentBreakdown)) {
  console.log(source, charged_tokens, "tokens", usd, "dollars", iterations, "iterations");
}
for (const { depth, label, status, rolledUp } of result.tree) {
  console.log(`${"  ".repeat(depth)}${label} ${status} ${rolledUp.charged_tokens} tokens ${rolledUp.usd} dollars`);
}
await ledger.close();
