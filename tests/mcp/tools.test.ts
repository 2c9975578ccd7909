/** What the tools answer: figures worked by hand, and the same as the views have. */
import { expect, it } from "vitest";
import type { LedgerError } from "../../src/ledger/errors.js";
import { createLedgerMcpServer } from "../../src/mcp/server.js";
import { TENANT, useBooks } from "./books.js";

const books = useBooks();

it("lists six tools that only read", async () => {
  const { client } = await books.agent();
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(["budget", "breakdown", "trajectory", "audit", "question", "gate"]);
  for (const { annotations, inputSchema, outputSchema } of tools) {
    expect(annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false });
    expect(inputSchema).toMatchObject({ type: "object", additionalProperties: false });
    expect(outputSchema).toMatchObject({ type: "object" });
  }
  expect(client.getInstructions()).toContain(`tenant ${TENANT}`);
});

it("tells a budget: what is left, who pays, and what would be refused", async () => {
  const { ask } = await books.agent({ run: "review" });
  const { says, content } = await ask("budget");
  // 50,000 - 1,020 - 7,800 spent - 10,000 and 1,000 held; 2 - 0.012 - 0.07 - 0.4 - 0.2.
  expect(content).toMatchObject({
    pool_id: "review",
    state: "open",
    tokensLeft: 30_180,
    usdLeft: "1.318",
    open_holds: 2,
  });
  expect(content).toMatchObject(await books.writer.pool("review").readout());
  expect(content.refusals).toEqual([]);
  expect(says).toContain("30180 tokens, 1.318 dollars, 3 iterations");
  const views = await books.rows(
    "select channel, total, free, reserved, committed, uncertain, measured, sealed, payer_pool_id from ledger.channels where pool_id = 'review'",
  );
  for (const view of views) expect(content.channels).toContainEqual(expect.objectContaining(view));

  const driver = await ask("budget", { pool: "review:d" });
  // Its turn's dollars are unknown: what is left of 0.4 counts as spent.
  expect(driver.content).toMatchObject({ usdLeft: "0", usdKnown: false, tokensLeft: 10_000 - 450 - 330 });
  expect(driver.content.refusals).toEqual([
    { code: "usd-sealed", when: "whatever is asked for" },
    { code: "budget-exhausted", when: "more than 0 is asked for of usd" },
  ]);
  expect(driver.says).toContain("a part of what it used is unknown, or charged without a receipt");
});

it("says of a pool which refusals the ledger then gives", async () => {
  const { writer } = books;
  const { ask } = await books.agent();
  const made = [
    { id: "r-frozen", more: { parentPoolId: "r-top" } },
    { id: "r-late", more: { deadlineMs: 1 } },
    { id: "r-overdrawn", more: {} },
    { id: "r-closed", more: {} },
  ];
  await writer.openPool({ usd: "9" }, { poolId: "r-top" });
  for (const { id, more } of made) await writer.openPool({ usd: "1" }, { poolId: id, ...more });
  await writer.openPool({}, { poolId: "r-uncapped" });
  await writer.pool("r-overdrawn").observe({ input_tokens: 1, output_tokens: 1, usd: "1.5" });
  await writer.pool("r-closed").close();
  await writer.apply([{ op: "freeze", operation_id: "freeze", pool_id: "r-top" }]);
  for (const id of [...made.map((pool) => pool.id), "r-uncapped"]) {
    const { content } = await ask("budget", { pool: id });
    const spawned = await writer.pool(id).reserve({ usd: "0.1" }, { label: "more" });
    expect(spawned.ok ? undefined : spawned.code, id).toBe(content.refusals[0]?.code);
    expect(content.refusals, id).toHaveLength(1);
  }
});

it("breaks a run down as the view does", async () => {
  const { ask } = await books.agent();
  const { content, says } = await ask("breakdown", { run: "review" });
  expect(content.sources).toMatchObject([
    { source: "driver_inference", charged_tokens: "1350", usd: "0.012", usd_known: false, unknown_usd_events: "1" },
    { source: "child_work", charged_tokens: "8250", usd: "0.074", usd_known: true, receipt_usd: "0.074" },
    { source: "total", charged_tokens: "9600", usd: "0.086", usd_known: false, tokens_known: true },
  ]);
  const views = await books.rows("select * from ledger.spent_breakdown where run_id = 'review'");
  for (const { tenant_id: _, run_id: __, ...row } of views) expect(content.sources).toContainEqual(row);
  expect(says).toContain("driver inference 1350 tokens, 0.012 ? dollars");
});

it("walks a trajectory page by page", async () => {
  const { ask } = await books.agent();
  const views = await books.rows("select * from ledger.trajectory where run_id = 'review' order by path");
  const nodes: Record<string, unknown>[] = [];
  for (let after: string | undefined; ; ) {
    const { content } = await ask("trajectory", { run: "review", limit: 2, ...(after !== undefined && { after }) });
    expect(content.nodes_total).toBe("5");
    nodes.push(...content.nodes);
    if (!content.truncated) break;
    after = content.nodes.at(-1).node_id;
  }
  expect(nodes.map(({ node_id }) => node_id)).toEqual(["review", "review:d", "review:d:w", "review:h", "review:w"]);
  nodes.forEach((node, at) => {
    expect(views[at]).toMatchObject(node);
  });
  expect(nodes[1]).toMatchObject({
    own_charged_tokens: "330",
    rolled_up_charged_tokens: "780",
    rolled_up_usd_known: false,
  });
});

it("audits, and gates an experiment as the function does", async () => {
  const { ask } = await books.agent();
  expect((await ask("audit")).content).toEqual({ healthy: true, findings: [], truncated: false });
  const { content, says } = await ask("gate", { experiment: "drafts" });
  expect(content).toMatchObject({ verdict: "equal", reason: null, plan: null });
  expect(content.channels[0]).toMatchObject({
    channel: "tokens",
    spread: "20",
    median: "990",
    fraction: "0.020202020202",
  });
  expect(content.channels[0].arms).toMatchObject([
    { arm: "x", cost: "1000" },
    { arm: "y", cost: "980", left_out_total: 0 },
  ]);
  expect(says).toContain("all equal");
  const strict = await ask("gate", { experiment: "drafts", tolerance: 0.01 });
  expect(strict.content).toMatchObject({ verdict: "unequal", reason: "over-tolerance" });
});

/** Each question beside what the views answer the superuser. */
const ASKED: readonly { name: string; args?: Record<string, string>; sql: string }[] = [
  {
    name: "balances",
    sql: "select * from ledger.channels where capped order by pool_id, channel",
  },
  {
    name: "balances",
    args: { pool: "project" },
    sql: "select * from ledger.channels where pool_id = 'project' order by channel",
  },
  {
    name: "refusals",
    args: { pool: "review" },
    sql: "select * from ledger.refusals where pool_id = 'review' order by at desc, operation_id",
  },
  {
    name: "open_holds",
    sql: `select node_id, parent_node_id as pool_id, run_id, label, status, hold, spawned_at as since, lease_at, lapsed from ledger.nodes
      where outcome is null and parent_node_id is not null order by spawned_at, node_id`,
  },
  {
    name: "bill",
    args: { pool: "project" },
    sql: `select 'project' as pool_id, n.run_id, trim_scale(sum(p.spent)) as usd, trim_scale(sum(p.uncertain)) as without_receipt
      from ledger.postings p join ledger.nodes n using (tenant_id, node_id)
      where p.pool_id = 'project' and p.channel = 'usd' and p.spent <> 0 group by n.run_id order by sum(p.spent) desc, n.run_id`,
  },
  {
    name: "runs",
    args: { experiment: "drafts" },
    sql: "select * from ledger.runs where experiment = 'drafts' order by opened_at desc, run_id",
  },
  {
    name: "money_by_node",
    args: { run: "review" },
    sql: "select * from ledger.trajectory where run_id = 'review' order by own_usd desc, own_charged_tokens desc, node_id",
  },
  {
    name: "models_per_day",
    sql: `select day, provider, model, sum(lines) as calls, sum(input_tokens) as input_tokens, sum(cache_read_tokens) as cache_read_tokens,
      sum(output_tokens) as output_tokens, trim_scale(sum(usd)) as usd, sum(receipt_usd) as receipt_usd, sum(estimated_usd) as estimated_usd,
      sum(unknown_usd_events) as unknown_usd_events, bool_and(tokens_known) as tokens_known, bool_and(usd_known) as usd_known
      from ledger.usage_daily group by day, provider, model order by day desc, provider, model`,
  },
  {
    name: "tools",
    sql: `select tool, sum(calls) as calls, sum(events) as turns, sum(charged_tokens) as charged_tokens, trim_scale(sum(usd)) as usd,
      bool_and(tokens_known) as tokens_known, bool_and(usd_known) as usd_known
      from ledger.usage_by_tool group by tool order by sum(calls) desc, tool`,
  },
  {
    name: "tool_findings",
    sql: `select 'review' as run_id, 'review' as pool_id, 'repeated-action' as detector, 'search' as tool,
      'sha256:' || repeat('0', 64) as arguments, streak, first_seq, seq, effective_at from ledger.tool_findings where streak = 3`,
  },
  { name: "corrections", sql: "select * from ledger.journal where kind = 'corrected' and source_pool_id is null" },
  {
    name: "price_books",
    args: { run: "review" },
    sql: "select * from ledger.run_prices where run_id = 'review' order by book",
  },
  {
    name: "uncertain",
    args: { run: "review" },
    sql: `select 'review' as run_id, 'review:d' as node_id, '0' as uncertain_tokens, '0' as uncertain_usd, '0' as unknown_tokens_calls,
      '1' as unknown_usd_calls`,
  },
  { name: "calls_in_doubt", sql: "select * from ledger.calls_in_doubt" },
  { name: "spend_gaps", sql: "select * from ledger.spend_gaps order by run_id, node_id, gap" },
  { name: "arms", sql: "select * from ledger.arm_costs order by experiment, arm" },
  { name: "health", sql: `select * from ledger.health where tenant_id = '${TENANT}'` },
];

it("answers each question as the views do", async () => {
  const { client, question } = await books.agent();
  const { tools } = await client.listTools();
  const asked = tools.find(({ name }) => name === "question")?.inputSchema.properties?.question;
  const names: string[] = (asked as { enum?: string[] } | undefined)?.enum ?? [];
  expect(names.toSorted()).toEqual([...new Set(ASKED.map(({ name }) => name))].toSorted());
  for (const { name, args = {}, sql } of ASKED) {
    const [told, views] = [await question(name, args), await books.rows(sql)];
    expect(told.length, name).toBe(views.length);
    if (name !== "price_books") expect(told, name).not.toEqual([]);
    told.forEach((row, at) => {
      const { oldest_hold_ms: _, calls_known: __, ...steady } = row;
      expect(views[at], name).toMatchObject(steady);
      expect(Object.keys(row), name).not.toContain("tenant_id");
    });
  }
  const [first] = await question("refusals", { pool: "review", limit: 1 });
  expect(first).toMatchObject({
    code: "budget-exhausted",
    shortfall: [{ channel: "tokens", requested: "900000", free: "30180" }],
  });
});

it("refuses a ledger that may write, and two bindings", async () => {
  const refusal = async (options: object): Promise<unknown> =>
    createLedgerMcpServer({ ledger: books.writer, ...options }).catch((error: LedgerError) => [
      error.code,
      error.detail.path,
    ]);
  expect(await refusal({})).toEqual(["LG001", "options.ledger"]);
  const { ledger } = await books.agent();
  expect(await refusal({ ledger, pool: "project", run: "review" })).toEqual(["LG001", "options.run"]);
  expect(await refusal({ ledger, pool: "" })).toEqual(["LG001", "options.pool"]);
});
