/** The lines of a settlement that spans several calls or models. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, settle, spawn, spend } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

/** What the usage lines of the tenant add up to, and what its journal does; the same but for amounts nobody spent. */
const SUMS = `
  select l.*, l = j as same
  from (
    select sum(iterations) as iterations, sum(input_tokens) as input, sum(output_tokens) as output, sum(cache_read_tokens) as read,
      sum(cache_write_tokens) as write, sum(reasoning_tokens) as reasoning, sum(charged_tokens) as charged, trim_scale(sum(usd)) as usd,
      sum(ms) as ms, sum(uncertain_tokens) as ut, sum(uncertain_iterations) as ui, trim_scale(sum(uncertain_usd)) as uu
    from ledger.usage_lines where tenant_id = $1
  ) l, (
    select sum(iterations), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
      sum(cache_write_tokens), sum(reasoning_tokens), sum(charged_tokens), trim_scale(sum(usd)),
      sum(ms), sum(uncertain_tokens), sum(uncertain_iterations), trim_scale(sum(uncertain_usd))
    from ledger.journal
    where tenant_id = $1 and source_pool_id is null and kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  ) j`;

describe.each(WAYS)("lines %s", (way) => {
  async function openBooks() {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 1000, usd: "5" }), spawn("p", "a", { tokens: 100, usd: "1" }));
    return books;
  }
  const LINES = [
    {
      provider: "acme",
      model: "small",
      provider_request_id: "r1",
      iterations: 1,
      input_tokens: 30,
      output_tokens: 5,
      cache_read_tokens: 20,
      usd: "0.04",
      ms: 7,
    },
    {
      model: "large",
      input_tokens: 10,
      output_tokens: 15,
      reasoning_tokens: 9,
      usd: "0.06",
      resources: { gpu: { amount: "1.5" } },
    },
    { usd: "0", iterations: 1, resources: { gpu: { amount: 1 } } },
  ];
  const SPEND = {
    iterations: 2,
    input_tokens: 40,
    output_tokens: 20,
    cache_read_tokens: 20,
    reasoning_tokens: 9,
    usd: "0.1",
    ms: 7,
    resources: { gpu: { amount: "2.5" } },
  };

  it("are kept with their own models, and add up to the journal", async () => {
    const books = await openBooks();
    await books.ok(settle("a", SPEND, { lines: LINES, provider: "other", model: "default" }));
    const text = `select line, provider, model, provider_request_id, input_tokens, charged_tokens, usd, resources, kind, node_id
      from ledger.usage_lines where tenant_id = $1 and node_id = 'a' order by line`;
    const row = (
      line: number,
      provider: string,
      model: string,
      provider_request_id: string | null,
      input: string,
      charged: string,
      usd: string,
      resources: unknown,
    ) => ({
      ...{ line, provider, model, provider_request_id, input_tokens: input, charged_tokens: charged, usd, resources },
      ...{ kind: "settled", node_id: "a" },
    });
    expect(await books.rows(text)).toEqual([
      row(0, "acme", "small", "r1", "30", "35", "0.04", null),
      row(1, "other", "large", null, "10", "25", "0.06", { gpu: { amount: "1.5" } }),
      row(2, "other", "default", null, "0", "0", "0", { gpu: { amount: 1 } }),
    ]);
    expect(await books.row(SUMS)).toMatchObject({ same: true, charged: "60", usd: "0.1" });
  });

  it("are charged like the pool", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", {}, { token_charge: "uncached" }),
      spawn("p", "a"),
      settle("a", SPEND, { lines: LINES }),
    );
    const text = "select charged_tokens from ledger.usage_lines where tenant_id = $1 and node_id = 'a' order by line";
    expect(await books.rows(text)).toEqual([
      { charged_tokens: "15" },
      { charged_tokens: "25" },
      { charged_tokens: "0" },
    ]);
    expect(await books.row(SUMS)).toMatchObject({ same: true, charged: "40" });
  });

  it("may come with a meter and with a cancel", async () => {
    const books = await openBooks();
    const lines = [
      { usd: "0.1", input_tokens: 4 },
      { usd: "0.2", output_tokens: 6 },
    ];
    const whole = { input_tokens: 4, output_tokens: 6, usd: "0.3" };
    await books.ok(meter("p", whole, { lines }), {
      op: "cancel",
      node_id: "a",
      reason: "r",
      spend: spend(whole),
      lines,
    });
    const text =
      "select kind, count(*)::int as lines from ledger.usage_lines where tenant_id = $1 and pool_id = 'p' group by kind order by kind";
    expect(await books.rows(text)).toEqual([
      { kind: "cancelled", lines: 2 },
      { kind: "metered", lines: 2 },
    ]);
    expect(await books.row(SUMS)).toMatchObject({ same: true, charged: "20", usd: "0.6" });
  });

  it("may be unknown, which the spend then is too", async () => {
    const books = await openBooks();
    const lines = [
      { usd: "0.4", input_tokens: 3 },
      { usd_known: false, tokens_known: false, input_tokens: 2 },
    ];
    const whole = { input_tokens: 5, usd: "0.4", usd_known: false, tokens_known: false };
    await books.ok(settle("a", whole, { lines }));
    const text =
      "select line, usd, uncertain_usd, usd_known, tokens_known from ledger.usage_lines where tenant_id = $1 and node_id = 'a' order by line nulls last";
    expect(await books.rows(text)).toEqual([
      { line: 0, usd: "0.4", uncertain_usd: "0", usd_known: true, tokens_known: true },
      { line: 1, usd: null, uncertain_usd: "0", usd_known: false, tokens_known: false },
      { line: null, usd: "0", uncertain_usd: "0.4", usd_known: false, tokens_known: false },
    ]);
    expect(await books.channel("p", "usd")).toMatchObject({
      committed: "0.4",
      uncertain: "0.4",
      measured: false,
      sealed: false,
    });
  });

  it("leave to one more line what a ceiling charged above them", async () => {
    const books = await openBooks();
    await books.ok(settle("a", { usd_known: false }, { lines: [{ usd_known: false }] }));
    const text =
      "select line, usd, uncertain_usd, usd_known from ledger.usage_lines where tenant_id = $1 and node_id = 'a' order by line nulls last";
    expect(await books.rows(text)).toEqual([
      { line: 0, usd: null, uncertain_usd: "0", usd_known: false },
      { line: null, usd: "1", uncertain_usd: "1", usd_known: false },
    ]);
    expect(await books.row(SUMS)).toMatchObject({ same: true, usd: "1", uu: "1" });
  });

  it("estimate together what the spend estimates", async () => {
    const books = await openBooks();
    const lines = [
      { usd: "0.4", usd_known: false },
      { usd: "0.2", usd_known: false },
    ];
    await books.ok(settle("a", { usd: "0.6", usd_known: false }, { lines }));
    expect(await books.row(SUMS)).toMatchObject({ same: true, usd: "0.6", uu: "0.6" });
  });

  it("add up to the journal when only some of them are estimates", async () => {
    const books = await openBooks();
    const lines = [{ usd: "0.4" }, { usd: "0.2", usd_known: false }];
    await books.ok(settle("a", { usd: "0.6", usd_known: false }, { lines }));
    expect(await books.row(SUMS)).toMatchObject({ same: true, usd: "0.6", uu: "0.6" });
  });

  it("add up to the journal when they come late, after the expiry charged a ceiling", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, iterations: 5, usd: "5", gpu: 9 }),
      spawn("p", "a", { tokens: 50, iterations: 2, usd: "1", gpu: 4 }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "a" },
    );
    await sleep(5);
    await books.ok({ op: "expire" }, settle("a", SPEND, { lines: LINES }));
    expect(await books.row(SUMS)).toMatchObject({ same: true, charged: "60", usd: "0.1", ut: "0", uu: "0" });
    const resources = (view: string) =>
      `select sum((r.value ->> 'amount')::numeric) as gpu from ledger.${view} v cross join jsonb_each(v.resources) r where v.tenant_id = $1`;
    expect(await books.row(resources("journal"))).toEqual({ gpu: "2.5" });
    expect(await books.row(resources("usage_lines"))).toEqual({ gpu: "2.5" });
  });

  it.each([
    ["tokens that do not add up", [{ usd: "0", input_tokens: 4 }], { input_tokens: 5 }, "lines"],
    [
      "one line too many",
      [
        { usd: "0", input_tokens: 5 },
        { usd: "0", input_tokens: 1 },
      ],
      { input_tokens: 5 },
      "lines",
    ],
    ["dollars that do not add up", [{ usd: "0.1" }, { usd: "0.1" }], { usd: "0.3" }, "lines"],
    ["a field that only the spend names", [{ usd: "0" }], { ms: 5 }, "lines"],
    [
      "a field that only a line names",
      [{ usd: "0", output_tokens: 2, reasoning_tokens: 1 }],
      { output_tokens: 2 },
      "lines",
    ],
    ["a resource that only the spend names", [{ usd: "0" }], { resources: { gpu: { amount: 1 } } }, "lines"],
    ["a resource that only a line names", [{ usd: "0", resources: { gpu: { amount: 1 } } }], {}, "lines"],
    [
      "resources that do not add up",
      [{ usd: "0", resources: { gpu: { amount: 1 } } }],
      { resources: { gpu: { amount: 2 } } },
      "lines",
    ],
    ["an unknown line of a known spend", [{ usd_known: false }], {}, "lines"],
    ["known lines of an unknown spend", [{ usd: "0" }], { usd_known: false }, "lines"],
    ["unknown tokens of a known spend", [{ usd: "0", tokens_known: false }], {}, "lines"],
    ["known tokens of an unknown spend", [{ usd: "0" }], { tokens_known: false }, "lines"],
    ["no line", [], {}, "lines"],
    ["lines that are an object", {}, {}, "lines"],
    ["a line that is a number", [{ usd: "0" }, 5], {}, "lines.1"],
    ["a line silent about dollars", [{ usd: "0" }, {}], {}, "lines.1.usd"],
    ["a line with a key of ours only", [{ usd: "0", line: 1 }], {}, "lines.0.line"],
    ["a line of less than nothing", [{ usd: "0", input_tokens: -1 }], {}, "lines.0.input_tokens"],
    ["a line with more cache than input", [{ usd: "0", cache_read_tokens: 1 }], {}, "lines.0.cache_read_tokens"],
    ["a line with more reasoning than output", [{ usd: "0", reasoning_tokens: 1 }], {}, "lines.0.reasoning_tokens"],
  ])("are not taken: %s", async (_what, lines, fields, path) => {
    const books = await openBooks();
    expect(await books.failed("LG001", settle("a", fields, { lines }))).toBe(path);
    expect(await books.balance("p", "tokens")).toEqual(["900", "100", "0"]);
  });

  it("are not taken without the spend they are lines of", async () => {
    const books = await openBooks();
    expect(await books.failed("LG001", { op: "cancel", node_id: "a", reason: "r", lines: [{ usd: "0" }] })).toBe(
      "lines",
    );
  });
});
