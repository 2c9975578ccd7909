/** Usage per day, provider, model, purpose and tags. */
import { describe, expect, it } from "vitest";
import { correct, meter, openPool, openRun, settle, spawn } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const X = [
  ...["iterations", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"],
  ...["charged_tokens", "usd", "ms", "uncertain_tokens", "uncertain_iterations", "uncertain_usd"],
];

describe("usage_daily", () => {
  it("adds up to the usage lines, each once, over a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const sums = X.map((name) => `trim_scale(coalesce(sum(${name}), 0)) as ${name}`).join(", ");
    const daily = await books.row(`select ${sums} from ledger.usage_daily where tenant_id = $1`);
    expect(daily).toEqual(await books.row(`select ${sums} from ledger.usage_lines where tenant_id = $1`));
    expect(Number(daily.input_tokens)).toBeGreaterThan(100);
    const { rows } = await books.row("select count(*)::int as rows from ledger.usage_daily where tenant_id = $1");
    expect(rows).toBeGreaterThan(4);
  });

  it("has a row per day (UTC), provider, model, purpose and tags, and columns in their order", async () => {
    const books = await ledger.open();
    const call = { provider: "acme", model: "m", purpose: "turn", tags: { team: "search" } };
    const at = (effective_at: string) => ({ ...call, effective_at });
    await books.ok(
      openPool("p"),
      meter("p", { input_tokens: 1, usd: "0.10" }, at("2026-03-01T23:59:59Z")),
      meter("p", { input_tokens: 2, usd: "0.20", ms: 5 }, at("2026-03-01T23:30:00-02:00")),
      meter("p", { input_tokens: 4, usd: "0.30" }, at("2026-03-02T12:00:00Z")),
      meter("p", { input_tokens: 8 }, { ...at("2026-03-02T12:00:00Z"), model: "n" }),
      meter("p", { input_tokens: 16 }, { ...at("2026-03-02T12:00:00Z"), purpose: "compaction" }),
      meter("p", { input_tokens: 32 }, { ...at("2026-03-02T12:00:00Z"), tags: { team: "ads" } }),
      meter("p", { input_tokens: 64 }, { ...at("2026-03-02T12:00:00Z"), provider: "other" }),
    );
    const rows = await books.rows(
      "select *, day::text as day from ledger.usage_daily where tenant_id = $1 order by input_tokens",
    );
    expect(rows.map(({ day, lines, input_tokens, usd }) => [day, lines, input_tokens, usd])).toEqual([
      ["2026-03-01", "1", "1", "0.1"],
      ["2026-03-02", "2", "6", "0.5"],
      ["2026-03-02", "1", "8", "0"],
      ["2026-03-02", "1", "16", "0"],
      ["2026-03-02", "1", "32", "0"],
      ["2026-03-02", "1", "64", "0"],
    ]);
    expect(rows[1]).toMatchObject({ ...call, ms: "5", tokens_known: true, usd_known: true });
    expect(Object.keys(rows[0] ?? {})).toEqual([
      ...["tenant_id", "day", "provider", "model", "purpose", "tags", "lines", ...X, "tokens_known", "usd_known"],
      ...["receipt_usd", "estimated_usd", "unknown_usd_events"],
    ]);
  });

  it("counts lines as calls, and neither corrections nor what lines leave unexplained", async () => {
    const books = await ledger.open();
    const lines = [
      { model: "m", usd: "0.1" },
      { model: "m", usd_known: false },
    ];
    await books.ok(
      openRun("r", { usd: "9" }),
      spawn("r", "a", { usd: "1" }),
      settle("a", { usd: "0.1", usd_known: false }, { lines, operation_id: "end", model: "m" }),
      meter("r", { usd: "2" }, { model: "m", operation_id: "turn" }),
    );
    await books.ok(correct("turn", { usd: "3" }));
    expect(
      await books.rows("select model, lines, usd, usd_known from ledger.usage_daily where tenant_id = $1"),
    ).toEqual([{ model: "m", lines: "3", usd: "3.1", usd_known: false }]);
    await books.ok(correct("end", { usd: "0.5" }, { lines: [{ model: "m", usd: "0.5" }] }));
    expect(
      await books.rows("select model, lines, usd, usd_known from ledger.usage_daily where tenant_id = $1"),
    ).toEqual([{ model: "m", lines: "3", usd: "3.5", usd_known: true }]);
  });

  it("knows a receipt of 0 that came later, model by model", async () => {
    const books = await ledger.open();
    const tokens = { iterations: 1, input_tokens: 1, output_tokens: 0 };
    const both = { iterations: 2, input_tokens: 2, output_tokens: 0 };
    const lines = (usd: object) => ["a", "b"].map((model) => ({ model, ...tokens, ...usd }));
    const unknown = { usd_known: false };
    await books.ok(
      openPool("p"),
      spawn("p", "n"),
      {
        op: "settle",
        operation_id: "s",
        node_id: "n",
        outcome: "done",
        spend: { ...both, ...unknown },
        lines: lines(unknown),
      },
      { op: "correct", of: "s", reason: "free", spend: { ...both, usd: "0" }, lines: lines({ usd: "0" }) },
    );
    const rows = await books.rows(
      "select model, sum(usd) as usd, bool_and(usd_known) as known from ledger.usage_daily where tenant_id = $1 group by model order by model",
    );
    expect(rows).toEqual([
      { model: "a", usd: "0", known: true },
      { model: "b", usd: "0", known: true },
    ]);
  });

  it("has dollars wherever some are known, and says what is unknown until the last correction knows it", async () => {
    const books = await ledger.open();
    const usage = () =>
      books.rows(
        "select model, usd, tokens_known, usd_known from ledger.usage_daily where tenant_id = $1 order by model",
      );
    const unknown = { usd_known: false, tokens_known: false };
    await books.ok(
      openPool("p", {}, { unknown_usd: "flag" }),
      meter("p", unknown, { model: "a", operation_id: "one" }),
      meter("p", { usd: "1" }, { model: "b" }),
      meter("p", unknown, { model: "b", operation_id: "two" }),
    );
    const no = { tokens_known: false, usd_known: false };
    const yes = { tokens_known: true, usd_known: true };
    expect(await usage()).toEqual([
      { model: "a", usd: null, ...no },
      { model: "b", usd: "1", ...no },
    ]);
    await books.ok(correct("one", { usd: "2" }), correct("two", { usd: "3" }), correct("two", unknown));
    expect(await usage()).toEqual([
      { model: "a", usd: "2", ...yes },
      { model: "b", usd: "1", ...no },
    ]);
  });
});
