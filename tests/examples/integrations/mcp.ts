/** An agent that knows its budget: it asks `agent-ledger mcp`, which it starts, as MCP clients do. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { createLedger } from "../../../src/index.js";

// Two runs of an experiment below one budget. A turn of each, the second with an estimate instead of a receipt.
const ledger = createLedger({ tenantId: "local" });
await ledger.openPool({ usd: "1" }, { poolId: "drafts" });
for (const arm of ["plain", "careful"]) {
  const run = { label: arm, experiment: "drafts", arm, task: "1" };
  const pool = await ledger.openPool(
    { tokens: 20_000, usd: "0.4" },
    { poolId: `drafts-${arm}`, parentPoolId: "drafts", run },
  );
  await pool.observe({ input_tokens: 9_000, output_tokens: 800, usd: "0.034", usd_known: arm === "plain" });
  await ledger.apply([{ op: "settle", operation_id: `settle-${arm}`, node_id: pool.poolId, outcome: "done" }]);
}
await ledger.close();

// What an MCP client does with the configuration that the README shows. In a project of yours: command "npx", args ["agent-ledger", "mcp", …].
const transport = new StdioClientTransport({
  command: process.execPath,
  args: ["--import", "tsx", "src/cli/main.ts", "mcp", "--pool", "drafts"],
  env: { ...process.env } as Record<string, string>,
});
const client = new Client({ name: "example", version: "1.0.0" });
await client.connect(transport);

const { tools } = await client.listTools();
console.log(tools.map(({ name }) => name).join(" "));

for (const [name, args] of [
  ["budget", {}],
  ["breakdown", { run: "drafts-careful" }],
  ["gate", { experiment: "drafts" }],
  ["budget", { pool: "payroll" }],
] as const) {
  const { content } = await client.callTool({ name, arguments: args });
  const [text] = content as { text: string }[];
  console.log(`${name}: ${text?.text}`);
}
await client.close();
