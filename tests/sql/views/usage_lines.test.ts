import { describe, expect, it } from "vitest";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe("usage_lines", () => {
  it("add up to the journal, event by event, over a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const sums = (source: string) => `
      select pool_id, seq, sum(iterations) as i, sum(input_tokens) as it, sum(output_tokens) as ot, sum(cache_read_tokens) as cr,
        sum(cache_write_tokens) as cw, sum(reasoning_tokens) as r, sum(charged_tokens) as ct, sum(ms) as ms,
        sum(uncertain_tokens) as ut, sum(uncertain_iterations) as ui, trim_scale(sum(coalesce(uncertain_usd, 0))) as uu,
        trim_scale(sum(coalesce(usd, 0))) as usd
      from ${source} group by pool_id, seq order by pool_id, seq`;
    const lines = await books.rows(sums("(select * from ledger.usage_lines where tenant_id = $1) l"));
    const events = await books.rows(
      sums(`(select * from ledger.journal where tenant_id = $1 and source_pool_id is null
        and kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')) j`),
    );
    expect(events.length).toBeGreaterThan(7);
    expect(lines).toEqual(events);
  });

  it("show an event without lines as one, with its model and tags", async () => {
    const books = await ledger.open();
    const tags = { team: "search" };
    await books.ok(
      openRun("r", {}, { tags }),
      meter(
        "r",
        { input_tokens: 5, usd: "0.5", ms: 3 },
        { provider: "acme", model: "m", provider_request_id: "q", purpose: "turn" },
      ),
    );
    expect(await books.rows("select * from ledger.usage_lines where tenant_id = $1")).toMatchObject([
      {
        pool_id: "r",
        seq: "2",
        line: null,
        run_id: "r",
        node_id: "r",
        kind: "metered",
        provider: "acme",
        model: "m",
        provider_request_id: "q",
        purpose: "turn",
        tags,
        input_tokens: "5",
        charged_tokens: "5",
        usd: "0.5",
        ms: "3",
        cache_read_tokens: "0",
        usd_known: true,
      },
    ]);
  });

  it("leave dollars null where they are unknown", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"), meter("p", { usd_known: false, tokens_known: false }));
    expect(
      await books.rows("select usd, usd_known, tokens_known from ledger.usage_lines where tenant_id = $1"),
    ).toEqual([{ usd: null, usd_known: false, tokens_known: false }]);
  });

  it("name nothing twice: no transfer, no drawn row, no late row of a pool above", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top", { usd: "5" }),
      openRun("r", {}, { parent_pool_id: "top" }),
      spawnDriver("r", "d"),
      spawn("d", "a"),
      settle("a", { input_tokens: 7, usd: "0.5" }, { operation_id: "s" }),
      settleDriver("d"),
      settleDriver("r"),
      meter("d", { input_tokens: 2, usd: "0.25" }),
      correct("s", { input_tokens: 8, usd: "0.75" }),
    );
    const rows = await books.rows(
      "select pool_id, kind, node_id, input_tokens, usd from ledger.usage_lines where tenant_id = $1 order by pool_id, seq",
    );
    expect(rows).toEqual([
      { pool_id: "d", kind: "settled", node_id: "a", input_tokens: "7", usd: "0.5" },
      { pool_id: "d", kind: "metered", node_id: "d", input_tokens: "2", usd: "0.25" },
      { pool_id: "d", kind: "corrected", node_id: "a", input_tokens: "1", usd: "0.25" },
    ]);
  });
});
