/** The example of MCP as a newcomer runs it, and the configuration that the README shows. */
import { expect, it } from "vitest";
import { useExamples } from "../program.js";
import { readmeBlocks } from "../readme.js";

const examples = useExamples();

it("an agent asks for its budget", async () => {
  expect(await examples.linesOf(new URL("mcp.ts", import.meta.url))).toEqual([
    "budget breakdown trajectory audit question gate",
    "budget: Pool drafts (open) has left: no limit of tokens, 0.932 dollars, no limit of iterations; " +
      "a part of what it used is unknown, or charged without a receipt",
    "breakdown: Run drafts-careful: driver inference 9800 tokens, 0.034 ? dollars; child work 0 tokens, 0 dollars; " +
      "total 9800 tokens, 0.034 ? dollars (?: a part is unknown, or charged without a receipt)",
    "gate: Experiment drafts: tokens equal, usd inconclusive (unknown-usage), all inconclusive (unknown-usage)",
    "budget: LG002 unknown_pool: arguments.pool: there is no pool payroll at or below pool drafts, which is all that this server " +
      "shows. Check the id: question balances lists the pools there are.",
  ]);
});

it("the README configures a client for it", () => {
  const [config = "{}"] = readmeBlocks("json").filter((block) => block.includes("mcpServers"));
  const { command, args, env } = Object.values<Record<string, unknown>>(JSON.parse(config).mcpServers)[0] ?? {};
  expect(command).toBe("npx");
  expect(args).toEqual(["agent-ledger", "mcp", "--run", "review-42"]);
  expect(env).toEqual({ AGENT_LEDGER_DIR: "/path/to/.agent-ledger" });
});
