/** Sessions imported while a price book is in use: what calls cost is estimated once, and stays so until their usage changes. */
import { calcPrice } from "@pydantic/genai-prices";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { readCatalogue } from "../../src/prices/catalogue.js";
import { type Books, figures, SAMPLE, useBooks } from "./books.js";
import { assistant, at, folderOf, use } from "./files.js";

const test = useBooks();
const FINAL = { final: true };
const SONNET = "claude-sonnet-4-5-20250929";

const PRICED = { provider: "anthropic", model: "claude-opus-4-6" };

/** A token of a prompt costs a dollar (5 above 100 tokens), of output 10, written to the cache 2, for an hour 4. */
const BOOK = [
  { ...PRICED, token_class: "input" as const, usd_per_million: 1_000_000 },
  { ...PRICED, token_class: "output" as const, usd_per_million: 10_000_000 },
  { ...PRICED, token_class: "cache_read" as const, usd_per_million: 100 },
  { ...PRICED, token_class: "cache_write" as const, usd_per_million: 2_000_000 },
  { ...PRICED, token_class: "cache_write_1h" as const, usd_per_million: 4_000_000 },
  { ...PRICED, token_class: "input" as const, usd_per_million: 5_000_000, above_input_tokens: 100 },
];

async function open(): Promise<Books> {
  const books = await test.open();
  await books.ledger.putPrices("own", BOOK);
  await books.ledger.usePrices("own");
  return books;
}

const spent = (books: Books) =>
  books.rows(
    `select source, usd, receipt_usd, estimated_usd, unknown_usd_events::int as unknown from ledger.spent_breakdown
     where tenant_id = $1 order by source`,
  );

const estimated = (source: string, usd: string) => ({ source, usd, receipt_usd: "0", estimated_usd: usd, unknown: 0 });

/** A usage whose cache is kept for an hour in part. */
const kept = (hour: unknown) => ({
  ...use(1, 1, 0, 10),
  cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: hour },
});

describe("the sample under the catalogue", () => {
  it("costs what the catalogue says, call by call", async () => {
    const books = await test.open();
    const { book, prices, source } = await readCatalogue(["anthropic"]);
    expect(book).toBe("genai-prices@0.1.8:anthropic");
    await books.ledger.putPrices(book, prices, { source });
    await books.ledger.usePrices(book);
    await importClaudeCode(books.ledger, SAMPLE, FINAL);
    // Worked out from the files alone, each call by `calcPrice` at its own time and size.
    expect(
      await books.rows(
        `select left(run_id, 8) as run, usd, estimated_usd, unknown_usd_events::int as unknown from ledger.spent_breakdown
         where tenant_id = $1 and source = 'total' order by run_id`,
      ),
    ).toEqual([
      { run: "258c7280", usd: "10.81098145", estimated_usd: "10.81098145", unknown: 0 },
      { run: "4d5611e5", usd: "10.11369555", estimated_usd: "10.11369555", unknown: 0 },
      // Its driver's file is missing: one event of which nobody knows anything.
      { run: "6c2214d7", usd: "0.0954423", estimated_usd: "0.0954423", unknown: 1 },
      { run: "ae4a77f8", usd: "6.1725718", estimated_usd: "6.1725718", unknown: 0 },
    ]);
    const [before, rows] = [await figures(books), await books.journal()];
    await importClaudeCode(books.ledger, SAMPLE, FINAL);
    expect(await books.journal(), "importing again adds nothing").toBe(rows);
    expect(await figures(books)).toEqual(before);
  });

  it("prices each call of a child by its own size", async () => {
    const books = await test.open();
    const { book, prices, source } = await readCatalogue(["anthropic"]);
    await books.ledger.putPrices(book, prices, { source });
    await books.ledger.usePrices(book);
    const main = [assistant({ id: "a" })];
    const calls = [150_000, 180_000].map((input, n) =>
      assistant({ id: `c${n}`, at: at(n + 1), model: SONNET, usage: use(input, 10) }),
    );
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": main, "s/subagents/agent-1.jsonl": calls }), FINAL);
    const cost = (input: number) =>
      calcPrice({ input_tokens: input, output_tokens: 10 }, SONNET, { providerId: "anthropic" })?.total_price ?? 0;
    // Together they would be above the 200,000 tokens from which each token costs twice as much.
    expect(cost(330_000)).toBeGreaterThan(1.9);
    const lines = "select usd::float8 as usd, provider_request_id from ledger.usage_lines where tenant_id = $1";
    expect(await books.rows(`${lines} and node_id = 's:1' order by line`)).toEqual([
      { usd: cost(150_000), provider_request_id: "req-c0" },
      { usd: cost(180_000), provider_request_id: "req-c1" },
    ]);
  });
});

describe("a call priced from a book", () => {
  it("is priced again when it grows, and not when it does not", async () => {
    const books = await open();
    const grown = (output: number) => ({ "s.jsonl": [assistant({ id: "a", usage: use(10, output) })] });
    await importClaudeCode(books.ledger, folderOf(grown(5)), FINAL);
    expect(await spent(books)).toEqual([
      estimated("child_work", "0"),
      estimated("driver_inference", "60"),
      estimated("total", "60"),
    ]);
    for (const [output, usd] of [
      [5, "60"],
      [7, "80"],
      [7, "80"],
      [9, "100"],
    ] as const) {
      await importClaudeCode(books.ledger, folderOf(grown(output)), FINAL);
      expect((await spent(books))[2]).toEqual(estimated("total", usd));
    }
    const rows = "select kind, usd_known, detail ->> 'price_book' as book from ledger.journal where tenant_id = $1";
    expect(await books.rows(`${rows} and kind in ('metered', 'corrected') order by seq`)).toEqual([
      { kind: "metered", usd_known: false, book: "own" },
      { kind: "corrected", usd_known: false, book: "own" },
      { kind: "corrected", usd_known: false, book: "own" },
    ]);
  });

  it("is unknown once it grew and no book is in use, and known again from the next book", async () => {
    const books = await open();
    const grown = (output: number) => ({ "s.jsonl": [assistant({ id: "a", usage: use(10, output) })] });
    await importClaudeCode(books.ledger, folderOf(grown(5)), FINAL);
    await books.ledger.usePrices(null);
    await importClaudeCode(books.ledger, folderOf(grown(6)), FINAL);
    expect((await spent(books))[2]).toMatchObject({ usd: "0", estimated_usd: "0", unknown: 1 });
    await books.ledger.usePrices("own");
    await importClaudeCode(books.ledger, folderOf(grown(7)), FINAL);
    expect((await spent(books))[2]).toEqual(estimated("total", "80"));
  });

  it("keeps a receipt that somebody booked for it", async () => {
    const books = await open();
    const grown = (output: number) => ({ "s.jsonl": [assistant({ id: "a", usage: use(10, output) })] });
    await importClaudeCode(books.ledger, folderOf(grown(5)), FINAL);
    const spend = { iterations: 0, input_tokens: 10, output_tokens: 5, usd: "60" };
    const receipt = { op: "correct", operation_id: "receipt", of: "claude-code:a:req-a", reason: "receipt", spend };
    expect(await books.ledger.apply([receipt])).toMatchObject([{ status: "ok" }]);
    expect((await spent(books))[2]).toMatchObject({ usd: "60", receipt_usd: "60", estimated_usd: "0" });
    await importClaudeCode(books.ledger, folderOf(grown(7)), FINAL);
    expect((await spent(books))[2]).toEqual(estimated("total", "60"));
  });

  it.each([
    ["six of ten tokens", 6, "6", String(1 + 10 + 4 * 2 + 6 * 4)],
    ["more than was written", 60, "10", String(1 + 10 + 10 * 4)],
    ["no number", "6", "0", String(1 + 10 + 10 * 2)],
    ["nothing", 0, "0", String(1 + 10 + 10 * 2)],
  ])("pays for an hour of cache: %s", async (_, hour, booked, usd) => {
    const books = await open();
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": [assistant({ id: "a", usage: kept(hour) })] }), FINAL);
    const row = "select cache_write_1h_tokens::text as hour, usd from ledger.journal where tenant_id = $1";
    expect(await books.rows(`${row} and kind = 'metered'`)).toEqual([{ hour: booked, usd }]);
  });
});

describe("a child priced from a book", () => {
  const main = [assistant({ id: "a" })];
  const b = assistant({ id: "b", at: at(1), usage: use(60, 1) });
  const c = assistant({ id: "c", at: at(2), usage: kept(6) });
  const d = assistant({ id: "d", at: at(3), usage: use(200, 0) });

  it("grows by the calls that are new, each at its own tier", async () => {
    const books = await open();
    const files = (...calls: unknown[]) => folderOf({ "s.jsonl": main, "s/subagents/agent-1.jsonl": calls });
    await importClaudeCode(books.ledger, files(b, c), FINAL);
    const lines = `select provider_request_id as request, sum(input_tokens)::int as input, trim_scale(sum(usd))::text as usd
      from ledger.usage_lines where tenant_id = $1 and node_id = 's:1' group by 1 having sum(input_tokens) <> 0 order by 1`;
    const first = [
      { request: "req-b", input: 60, usd: "70" },
      { request: "req-c", input: 11, usd: "43" },
    ];
    expect(await books.rows(lines)).toEqual(first);
    const rows = await books.journal();
    await importClaudeCode(books.ledger, files(b, c), FINAL);
    expect(await books.journal()).toBe(rows);
    await importClaudeCode(books.ledger, files(b, c, d), FINAL);
    expect(await books.rows(lines)).toEqual([...first, { request: "req-d", input: 200, usd: "1000" }]);
    expect((await spent(books))[0]).toEqual(estimated("child_work", "1113"));
    expect(await books.journal()).toBe(rows + 1);
    await importClaudeCode(books.ledger, files(b, c, d), FINAL);
    expect(await books.journal()).toBe(rows + 1);
  });

  it("is unknown as a whole where one of its models is", async () => {
    const books = await open();
    const other = assistant({ id: "e", at: at(3), model: "claude-unheard-of" });
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": main, "s/subagents/agent-1.jsonl": [b, other] }), FINAL);
    expect((await spent(books))[0]).toMatchObject({ usd: "0", estimated_usd: "0", unknown: 1 });
  });

  it("with more calls than lines fit has a line per model", async () => {
    const books = await open();
    const calls = Array.from({ length: 1_001 }, (_, n) =>
      assistant({ id: `n${n}`, at: at(1, n % 60), usage: use(0, 1) }),
    );
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": main, "s/subagents/agent-1.jsonl": calls }), FINAL);
    const lines = "select iterations::int, usd from ledger.usage_lines where tenant_id = $1 and node_id = 's:1'";
    expect(await books.rows(lines)).toEqual([{ iterations: 1_001, usd: "10010" }]);
  });
});
