/** The same usage under books side by side, worked by hand. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Books, Operation, Row } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";
import { price, priceFrom, putPrices } from "../prices.js";

const ledger = useLedger();
let books: Books;

const OLD = [
  price("small", "input", "1"),
  price("small", "output", "2"),
  price("large", "input", "10"),
  price("large", "input", "20", { above_input_tokens: 1_000_000 }),
  price("large", "cache_read", "1"),
  price("large", "output", "30"),
];
/** Knows no large model. */
const NEW = [price("small", "input", "3"), price("small", "output", "4"), price("free", "input", "0")];

const UNKNOWN = { usd_known: false };
const of = (model: string, more: Operation = {}): Operation => ({ provider: "acme", model, ...more });

beforeEach(async () => {
  books = await ledger.open();
  await putPrices(books, "new", NEW);
  await priceFrom(books, "old", OLD);
});

/** `[model, input_tokens, booked_usd, usd]` of the calls of a book, in order. */
async function priced(book: string): Promise<unknown[][]> {
  const rows = await books.rows(
    "select * from ledger.priced_usage where tenant_id = $1 and book = $2 order by pool_id, seq, model, input_tokens",
    book,
  );
  return rows.map(({ model, input_tokens, booked_usd, usd }) => [model, input_tokens, booked_usd, usd]);
}

describe("priced_usage", () => {
  it("has a row per call and book, beside what was booked", async () => {
    await books.ok(
      openRun("r", { usd: "100" }),
      meter("r", { input_tokens: 1_000_000, usd: "0.75" }, of("small", { purpose: "turn", provider_request_id: "q" })),
      spawn("r", "leaf"),
      settle(
        "leaf",
        { ...UNKNOWN, iterations: 1, input_tokens: 500_000, output_tokens: 100_000, cache_read_tokens: 200_000 },
        of("large"),
      ),
      openPool("outside"),
      meter("outside", { ...UNKNOWN, input_tokens: 7 }, of("stranger")),
    );
    const rows = await books.rows(
      "select * from ledger.priced_usage where tenant_id = $1 order by book desc, pool_id desc, seq",
    );
    expect(rows).toHaveLength(6);
    expect(rows[0]).toMatchObject({
      ...{ tenant_id: books.tenantId, book: "old", run_id: "r", pool_id: "r", seq: "2", node_id: "r" },
      ...{ provider: "acme", model: "small", provider_request_id: "q", purpose: "turn" },
      ...{ input_tokens: "1000000", output_tokens: "0", tokens_known: true },
      ...{ booked_usd: "0.75", booked_usd_known: true, usd: "1" },
    });
    // 300,000 * 10 + 200,000 * 1 + 100,000 * 30
    expect(rows[1]).toMatchObject({
      ...{ book: "old", node_id: "leaf", model: "large", cache_read_tokens: "200000" },
      ...{ booked_usd: "6.2", booked_usd_known: false, usd: "6.2" },
    });
    expect(rows[2]).toMatchObject({
      run_id: null,
      pool_id: "outside",
      booked_usd: null,
      booked_usd_known: false,
      usd: null,
    });
    expect(rows.slice(3)).toMatchObject([
      { book: "new", model: "small", booked_usd: "0.75", usd: "3" },
      { book: "new", model: "large", booked_usd: "6.2", usd: null },
      { book: "new", model: "stranger", usd: null },
    ]);
  });

  it("prices a call by what it came to with its corrections: in the tier it grew into", async () => {
    await books.ok(
      openPool("p"),
      meter("p", { ...UNKNOWN, input_tokens: 600_000 }, of("large", { operation_id: "turn" })),
      correct("turn", { ...UNKNOWN, input_tokens: 800_000 }),
      correct("turn", { ...UNKNOWN, input_tokens: 1_500_000 }),
    );
    expect(await priced("old")).toEqual([["large", "1500000", "30", "30"]]);
    expect(await priced("new")).toEqual([["large", "1500000", "30", null]]);
  });

  it("prices lines one by one, and where they were corrected by provider, model and request", async () => {
    const line = (model: string, input: number, request?: string): Operation => ({
      ...{ ...UNKNOWN, model, input_tokens: input },
      ...(request === undefined ? {} : { provider_request_id: request }),
    });
    await books.ok(
      openPool("p"),
      meter(
        "p",
        { ...UNKNOWN, input_tokens: 1_800_000 },
        { provider: "acme", operation_id: "turn", lines: [line("large", 900_000), line("large", 900_000)] },
      ),
    );
    expect(await priced("old")).toEqual([
      ["large", "900000", "9", "9"],
      ["large", "900000", "9", "9"],
    ]);
    await books.ok(
      correct(
        "turn",
        { ...UNKNOWN, input_tokens: 2_000_000 },
        {
          lines: [line("large", 900_000, "a"), line("large", 1_100_000, "b")].map((one) => ({
            provider: "acme",
            ...one,
          })),
        },
      ),
    );
    expect(await priced("old")).toEqual([
      ["large", "900000", "9", "9"],
      ["large", "1100000", "22", "22"],
    ]);
    await books.ok(
      correct(
        "turn",
        { usd: "1", input_tokens: 5 },
        { lines: [{ provider: "acme", model: "small", usd: "1", input_tokens: 5 }] },
      ),
    );
    expect(await priced("old")).toEqual([["small", "5", "1", "0.000005"]]);
    expect(await priced("new")).toEqual([["small", "5", "1", "0.000015"]]);
  });

  it("is unknown where tokens are, until they are corrected", async () => {
    await books.ok(
      openPool("p"),
      meter("p", { usd: "1", input_tokens: 5, tokens_known: false }, of("small", { operation_id: "turn" })),
    );
    expect(await priced("old")).toEqual([["small", "5", "1", null]]);
    await books.ok(correct("turn", { usd: "1", input_tokens: 5 }));
    expect(await priced("old")).toEqual([["small", "5", "1", "0.000005"]]);
    await books.ok(correct("turn", { ...UNKNOWN, input_tokens: 5, tokens_known: false }));
    expect(await priced("old")).toEqual([["small", "5", null, null]]);
  });

  it("counts no call where nothing was used of no model, and one where nobody said", async () => {
    await books.ok(
      openRun("r", { tokens: 100 }),
      spawn("r", "cancelled", { tokens: 1 }),
      { op: "cancel", node_id: "cancelled", reason: "not needed" },
      spawnDriver("r", "driver", { tokens: 50 }),
      spawn("driver", "silent", { tokens: 10 }),
      { op: "dispatch", node_id: "silent" },
      { op: "cancel", node_id: "silent", reason: "gone" },
      meter("driver", { input_tokens: 3, usd: "0" }, of("small")),
      settleDriver("driver"),
      meter("r", {}, of("small")),
    );
    const rows = await books.rows(
      "select node_id, tokens_known, booked_usd, usd from ledger.priced_usage where tenant_id = $1 and book = 'old' order by pool_id, seq",
    );
    expect(rows).toEqual([
      { node_id: "silent", tokens_known: false, booked_usd: null, usd: null },
      { node_id: "driver", tokens_known: true, booked_usd: "0", usd: "0.000003" },
      { node_id: "r", tokens_known: true, booked_usd: "0", usd: "0" },
    ]);
  });

  it("settled late, is what was settled and not what was charged before", async () => {
    await books.ok(
      openPool("p", { tokens: 1_000_000, usd: "5" }),
      spawn("p", "leaf", { tokens: 500_000, usd: "2" }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "leaf" },
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    await books.ok({ op: "expire" });
    expect(await priced("old")).toEqual([[null, "0", "2", null]]);
    const lines = [
      { ...UNKNOWN, model: "small", input_tokens: 100_000 },
      { ...UNKNOWN, model: "large", input_tokens: 200_000 },
    ];
    await books.ok(settle("leaf", { ...UNKNOWN, input_tokens: 300_000 }, { provider: "acme", lines }));
    expect((await priced("old")).filter(([model]) => model !== null)).toEqual([
      ["large", "200000", "2", "2"],
      ["small", "100000", "0.1", "0.1"],
    ]);
  });

  it("shows every correction that a book priced as the book prices the whole", async () => {
    const used = { ...UNKNOWN, input_tokens: 900_000, output_tokens: 11, cache_read_tokens: 123 };
    await books.ok(
      openRun("r"),
      meter("r", used, of("large", { operation_id: "a" })),
      meter("r", used, of("small", { operation_id: "b" })),
      correct("a", { ...used, input_tokens: 1_900_000 }),
    );
    const rows = await books.rows(
      "select booked_usd, usd from ledger.priced_usage where tenant_id = $1 and book = 'old'",
    );
    expect(rows.filter((row: Row) => row.usd !== null && row.usd === row.booked_usd)).toHaveLength(1);
    // small has no price for cache reads
    expect(rows.filter((row: Row) => row.usd === null && row.booked_usd === null)).toHaveLength(1);
  });
});
