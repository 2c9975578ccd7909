/** Calls as the books have them, compared with the bill that the provider keeps. */
import { describe, expect, it } from "vitest";
import type { BudgetPool } from "../../../src/ledger/budget-pool.js";
import type { Ledger } from "../../../src/ledger/ledger.js";
import { type ChatAnswer, ChatError, type DriverChat } from "../../../src/supervise/driver/chat.js";
import { useClients } from "../../ledger/client.js";
import { usageOf } from "../../wire/openai-chat.js";
import { AT_ONCE, ask, useChatServers } from "./asking.js";

const clients = useClients();
const serve = useChatServers();

/** One model call of a driver: one row, whatever came of it. */
async function turn(pool: BudgetPool, chat: DriverChat, number: number): Promise<ChatAnswer | ChatError> {
  const outcome = await ask(chat).catch((error: unknown) => error as ChatError);
  const failed = outcome instanceof ChatError;
  const { usage, costUsd, provider, model, providerRequestId } = failed ? outcome.reported : outcome;
  await pool.observe(
    {
      input_tokens: usage?.input,
      output_tokens: usage?.output,
      cache_read_tokens: usage?.cacheRead,
      cache_write_tokens: usage?.cacheWrite,
      reasoning_tokens: usage?.reasoning,
      usd: costUsd,
    },
    { turn: number, purpose: failed ? "failed" : "turn", provider, model: model ?? chat.model, providerRequestId },
  );
  return outcome;
}

/** What the journal has of the run's calls. */
function metered(ledger: Ledger) {
  return ledger.db
    .selectFrom("journal")
    .where("tenant_id", "=", ledger.tenantId)
    .where("run_id", "=", "run")
    .where("kind", "=", "metered")
    .orderBy("seq")
    .select(["turn", "purpose", "provider", "model", "provider_request_id", "input_tokens", "output_tokens"])
    .select(["cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usd", "tokens_known", "usd_known"])
    .execute();
}

describe.each([false, true])("a run that asks a model, stream: %s", (stream) => {
  it("books each call once, and of each what the provider reported", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({ tokens: 1_000, usd: "1" }, { poolId: "run", run: { label: "asked" } });
    const details = {
      prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 40 },
      completion_tokens_details: { reasoning_tokens: 50 },
    };
    const first = usageOf(100, 50, { cost: 0.01, ...details });
    const free = usageOf(30, 10, { cost: 0, prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 11 } });
    const lost = usageOf(7, 5, { cost: 0.25 });
    const { server, chat } = await serve(
      [
        { status: 429, headers: AT_ONCE, body: { error: { message: "slow down" } } },
        { says: { text: "One.", usage: first, model: "small-2026" } },
        { says: { text: "Two.", usage: free } },
        { says: { text: "Three." } },
        { says: { text: "Lost.", usage: lost }, breaks: { afterPieces: 1, by: "cut" } },
      ],
      { stream, provider: "router" },
    );
    const outcomes = [];
    for (const number of [0, 1, 2, 3]) outcomes.push(await turn(pool, chat, number));
    expect(outcomes.map((outcome) => outcome instanceof ChatError)).toEqual([false, false, false, true]);

    const rows = await metered(ledger);
    expect(rows.map((row) => [row.turn, row.purpose, row.provider, row.model, row.provider_request_id])).toEqual([
      [0, "turn", "router", "small-2026", "gen-1"],
      [1, "turn", "router", "small", "gen-2"],
      [2, "turn", "router", "small", "gen-3"],
      // What broke off was begun in a stream, and so has an id.
      [3, "failed", "router", "small", stream ? "gen-4" : null],
    ]);
    const counts = rows.map((row) => [
      [row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens, row.reasoning_tokens].map(
        Number,
      ),
      [row.usd === null ? null : Number(row.usd), row.tokens_known, row.usd_known],
    ]);
    expect(counts).toEqual([
      [
        [100, 50, 60, 40, 50],
        [0.01, true, true],
      ],
      // 20 + 11 > 30: the impossible part is left out, the call is booked.
      [
        [30, 10, 20, 0, 0],
        [0, true, true],
      ],
      [
        [0, 0, 0, 0, 0],
        [null, false, false],
      ],
      [
        [0, 0, 0, 0, 0],
        [null, false, false],
      ],
    ]);
    // One answer of each kind is on the provider's bill; nothing is for the request that was turned away.
    expect(server.requests).toHaveLength(5);
    expect(server.bill.map(({ request }) => request)).toEqual([1, 2, 4]);
    const { total, driver_inference: inference } = await breakdown(ledger);
    expect(inference).toEqual(total);
    expect(total).toMatchObject({ input: 130, output: 60, usd: 0.01, tokensKnown: false, usdKnown: false });
  });
});

/** The run's sums, by source. */
async function breakdown(ledger: Ledger): Promise<Record<string, object>> {
  const rows = await ledger.db
    .selectFrom("spent_breakdown")
    .where("tenant_id", "=", ledger.tenantId)
    .where("run_id", "=", "run")
    .select(["source", "input_tokens", "output_tokens", "usd", "tokens_known", "usd_known"])
    .execute();
  return Object.fromEntries(
    rows.map((row) => [
      row.source,
      {
        input: Number(row.input_tokens),
        output: Number(row.output_tokens),
        usd: Number(row.usd),
        tokensKnown: row.tokens_known,
        usdKnown: row.usd_known,
      },
    ]),
  );
}
