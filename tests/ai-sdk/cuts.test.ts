/**
 * A thousand recorded streams, each cut at a random place in a random way: what was received is booked, what was not is unknown, nothing is
 * held any more, and no guess stands as a fact.
 */
import type { LanguageModelV3StreamPart } from "@ai-sdk/provider";
import { wrapLanguageModel } from "ai";
import { expect, it, vi } from "vitest";
import { ledgerMiddleware } from "../../src/ai-sdk/middleware.js";
import { sum } from "../../src/ledger/amounts.js";
import type { BudgetPool } from "../../src/ledger/budget-pool.js";
import { useClients } from "../ledger/client.js";
import { between, byCallers } from "../ledger/random.js";
import { chance } from "../setup/chance.js";
import { CUT, type Cut, cutOf, modelOf } from "./cutting.js";
import { type Received, receivedIn } from "./received.js";

const clients = useClients();

const CUTS = 1_000;
const CALLERS = 20;
const SEED = 6;
/** Of one call. */
const CEILINGS = { tokens: 5_000, usd: "0.5" };

/** Dollars per million, of one model alone: those of others nobody knows. */
const RATES = { input: 1, cache_read: 0.1, output: 10 };

/** What the program saw of a stream. */
interface Seen {
  readonly raw: unknown[];
  finished: boolean;
}

const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Go." }] }];

/** Lets the program read a stream until it is cut, or until it cuts it itself. */
async function play(pool: BudgetPool, cut: Cut, label: string, asksForRaw: boolean): Promise<Seen> {
  const seen: Seen = { raw: [], finished: false };
  const isAbandoned = cut.way === "abandon";
  const middleware = ledgerMiddleware(pool, { perCall: CEILINGS, label, leaseMs: isAbandoned ? 1 : 600_000 });
  const model = wrapLanguageModel({ model: modelOf(cut), middleware });
  const giveUp = new AbortController();
  const isOfProgram = isAbandoned || cut.way === "cancel" || cut.way === "abort";
  try {
    const { stream } = await model.doStream({ prompt, includeRawChunks: asksForRaw, abortSignal: giveUp.signal });
    const reader = stream.getReader();
    for (let parts = 0; ; parts += 1) {
      if (isOfProgram && parts === cut.parts) {
        if (isAbandoned) return seen;
        if (cut.way === "cancel") await reader.cancel();
        giveUp.abort();
      }
      const { done, value } = await reader.read();
      if (done) return seen;
      note(seen, value);
    }
  } catch (error) {
    // A connection that breaks, a program that aborts, an error that comes first: the program hears of it.
    expect(["end", "cancel"], String(error)).not.toContain(cut.way);
    return seen;
  }
}

function note(seen: Seen, part: LanguageModelV3StreamPart): void {
  if (part.type === "raw") seen.raw.push(part.rawValue);
  if (part.type === "finish") seen.finished = true;
}

/** What a settlement must hold in dollars: a receipt, the price of what is known, or the ceiling. */
function dollarsOf({ recording }: Cut, { counts, known, usd }: Received): readonly [usd: string, uncertain: string] {
  if (usd !== undefined) return [usd, "0"];
  if (!known || recording.model !== "gpt-5-mini") return [CEILINGS.usd, CEILINGS.usd];
  const { input_tokens = 0, output_tokens = 0, cache_read_tokens = 0 } = counts;
  const tenths = (input_tokens - cache_read_tokens) * 10 + cache_read_tokens + output_tokens * 100;
  const price = (tenths / 1e7).toFixed(7).replace(/\.?0+$/, "");
  return [price, price];
}

it("books what was received, and the rest as unknown", { timeout: 120_000 }, async () => {
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const ledger = await clients.open();
  const prices = Object.entries(RATES).map(([token_class, usd_per_million]) => {
    return { provider: "openai", model: "gpt-5-mini", token_class: token_class as "input", usd_per_million };
  });
  await ledger.putPrices("b", prices);
  await ledger.usePrices("b");
  const totals = { tokens: 10_000_000, iterations: CUTS, usd: 1_000 };
  const pool = await ledger.openPool(totals, { poolId: "p" });
  const random = chance(SEED);
  const cuts = Array.from({ length: CUTS }, () =>
    cutOf(random, CUT[between(random, 0, CUT.length - 1)] as (typeof CUT)[0]),
  );
  const played: { cut: Cut; seen: Seen; heard: readonly unknown[] }[] = [];
  await byCallers(CALLERS, cuts.entries(), async ([number, cut]) => {
    // Where the program does not look at the wire, what was sent to a plain end is what was received.
    const asksForRaw = cut.way !== "end" || number % 2 === 0;
    const seen = await play(pool, cut, String(number), asksForRaw);
    if (cut.way === "end" && asksForRaw) expect(seen.raw).toEqual(cut.whole);
    played[number] = { cut, seen, heard: asksForRaw ? seen.raw : cut.whole };
  });

  const nodes = await ledger.db
    .selectFrom("nodes")
    .select(["node_id", "label", "status"])
    .where("parent_node_id", "=", "p")
    .execute();
  expect(nodes).toHaveLength(CUTS);
  const open = nodes.filter(({ status }) => status === "dispatched").map(({ label }) => Number(label));
  const abandoned = cuts.flatMap(({ way }, number) =>
    way === "abandon" && !played[number]?.seen.finished ? [number] : [],
  );
  expect(open.sort()).toEqual(abandoned.sort());

  const rows = await ledger.db
    .selectFrom("journal")
    .selectAll()
    .where("pool_id", "=", "p")
    .where("kind", "=", "settled")
    .execute();
  const labels = new Map(nodes.map(({ node_id, label }) => [node_id, label]));
  let tokens = 0;
  const dollars: string[] = [];
  for (const row of rows) {
    const { cut, seen, heard } = played[Number(labels.get(row.node_id ?? ""))] as (typeof played)[0];
    const received = receivedIn(cut.recording.format, heard);
    const { counts, known, complete, tools } = received;
    const [usd, uncertain] = dollarsOf(cut, received);
    const about = `${labels.get(row.node_id ?? "")}: ${cut.recording.format}, ${cut.recording.name}, ${cut.way}`;
    const booked = Object.keys({ input_tokens: 0, output_tokens: 0, ...counts }).map((name) => [
      name,
      Number(row[name as "input_tokens"]),
    ]);
    expect(Object.fromEntries(booked), about).toEqual({ input_tokens: 0, output_tokens: 0, ...counts });
    expect([row.tokens_known, row.usd, row.usd_known, row.uncertain_usd], about).toEqual([
      known,
      usd,
      received.usd !== undefined,
      uncertain,
    ]);
    expect(row.outcome, about).toBe(cut.way === "cancel" || (seen.finished && complete) ? "done" : "down");
    const called = (row.tool_calls ?? []) as { name: string; id: string; arguments?: string }[];
    expect(new Map(called.map(({ id, name }) => [id, name])), about).toEqual(
      new Map([...tools].map(([id, { name }]) => [id, name])),
    );
    for (const { id, arguments: digest } of called) expect(digest, about).toBe(tools.get(id)?.digest);
    tokens += Number(row.input_tokens) + Number(row.output_tokens);
    dollars.push(usd);
  }

  // What nobody read to its end is charged its ceilings, as uncertain.
  const expired: string[] = [];
  while (expired.length < abandoned.length) {
    const [answer] = await ledger.apply([{ op: "expire", operation_id: crypto.randomUUID(), pool_id: "p" }]);
    expired.push(...(answer?.result.expired ?? []).map(({ node_id }) => String(labels.get(node_id))));
  }
  expect(expired.map(Number).sort()).toEqual(abandoned);
  await pool.assertNoOpenTickets();
  const spent = sum([...dollars, ...abandoned.map(() => CEILINGS.usd)]);
  expect(await pool.readout()).toMatchObject({
    tokensLeft: totals.tokens - tokens - abandoned.length * CEILINGS.tokens,
    usdLeft: sum([totals.usd, `-${spent}`]),
    reservedTokens: 0,
    iterationsLeft: 0,
    tokensKnown: false,
    usdKnown: false,
  });
  expect(warned).not.toHaveBeenCalled();
  warned.mockRestore();
});
