/**
 * The same team, whose process is killed in the middle of its work, and goes on in the next: what was done is not done again, and the
 * spend is that of both lives.
 */
import { spawnSync } from "node:child_process";
import {
  coordinationDriverAgent,
  createLedger,
  createSupervisor,
  driverChild,
  scriptedChat,
  worker,
} from "../../../src/index.js";

const isFirstLife = process.argv[2] === "first-life";

const writer = worker("writer", (subject: string) => {
  console.log("writing about", subject);
  if (isFirstLife && subject === "hills") process.kill(process.pid, "SIGKILL");
  return {
    out: `about ${subject}`,
    verdict: { valid: true, score: subject.length / 10 },
    spent: { input_tokens: 900, output_tokens: 300, usd: "0.004" },
  };
});

// Work with a key is done once, however often it is given: done, it is answered from the ledger.
const perWorker = { maxTokens: 2_000, maxIterations: 1, maxUsd: "0.01" };
const give = (profile: string, task: string, more = {}) => {
  return { name: "spawn_worker", arguments: { profile, task, key: task, label: task, ...more } };
};
const article = give("editor", "an article", { budget: { tokens: 6_000, iterations: 4, usd: "0.05" } });
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
    { ...cost, toolCalls: [give("writer", "sea"), wait, article, wait] },
    // In its first life it comes to here. In the second, the hills are still held by the first, until their lease ends.
    { ...cost, toolCalls: [give("writer", "hills"), wait] },
    { ...cost, toolCalls: [give("writer", "hills"), wait] },
    cost,
  ]),
  profiles: { writer, editor: driverChild(editor) },
  perWorker,
});

if (!isFirstLife) {
  const options = { stdio: "inherit", env: process.env } as const;
  const firstLife = spawnSync(process.execPath, [...process.execArgv, process.argv[1] ?? "", "first-life"], options);
  console.log("ended by", firstLife.signal);
}

const ledger = createLedger({ tenantId: "local" });
const result = await createSupervisor({ ledger }).run(publisher, "an issue on water", {
  runId: "issue-2",
  budget: { tokens: 50_000, iterations: 20, usd: "1" },
  leaseMs: 1_000, // what a killed process held is free after this long; renewed while it lives
  resume: true, // start it, or go on with it
});

console.log(result.kind, result.kind === "winner" ? result.out : result.reason);
for (const { depth, label, status, rolledUp } of result.tree) {
  console.log(`${"  ".repeat(depth)}${label} ${status} ${rolledUp.charged_tokens} tokens ${rolledUp.usd} dollars`);
}
// Nobody knows what the lost worker consumed: its ceilings are charged, and it is said.
for (const { nodeId, gap, channels } of result.spendGaps) console.log(nodeId, gap, channels.join(", "));
await ledger.close();
