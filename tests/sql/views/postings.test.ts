import { describe, expect, it } from "vitest";
import { meter, openPool, openRun, spawn } from "../builders.js";
import { JOURNAL_KINDS, playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe("postings", () => {
  it("add up to every balance of a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const kinds = await books.rows("select distinct kind from ledger.journal where tenant_id = $1 order by kind");
    expect(kinds.map(({ kind }) => kind)).toEqual(JOURNAL_KINDS);
    const differing = await books.rows(`
      select c.pool_id, c.channel
      from ledger.channels c
      left join (
        select pool_id, channel, sum(funded) as funded, sum(held) as held, sum(spent) as spent, sum(uncertain) as uncertain
        from ledger.postings where tenant_id = $1 group by pool_id, channel
      ) p using (pool_id, channel)
      where c.tenant_id = $1 and (
        coalesce(c.total, 0) <> case when c.capped then coalesce(p.funded, 0) else 0 end
        or c.reserved <> coalesce(p.held, 0) or c.committed <> coalesce(p.spent, 0) or c.uncertain <> coalesce(p.uncertain, 0)
        or c.free <> coalesce(p.funded - p.held - p.spent, 0)
      )`);
    expect(differing).toEqual([]);
  });

  it("keep total = free + reserved + committed at every seq", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const broken = await books.rows(`
      select pool_id, channel, seq from (
        select p.pool_id, p.channel, p.seq,
          sum(p.held) over w as held, sum(p.spent) over w as spent, sum(p.uncertain) over w as uncertain
        from ledger.postings p where p.tenant_id = $1
        window w as (partition by p.pool_id, p.channel order by p.seq)
      ) s
      where held < 0 or spent < 0 or uncertain < 0 or uncertain > spent`);
    expect(broken).toEqual([]);
  });

  it("say what an event did to each channel, and nothing of channels it left alone", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 10, usd: "2", gpu: 3 }),
      spawn("r", "a", { tokens: 4, usd: 0, gpu: "1.5" }, { operation_id: "s" }),
      meter("r", { input_tokens: 1, usd: "0.50", usd_known: false }),
      meter("r", { usd_known: false }),
      { op: "freeze", pool_id: "r" },
    );
    const rows = await books.rows(
      "select seq, kind, channel, funded, held, spent, uncertain from ledger.postings where tenant_id = $1 order by seq, channel",
    );
    const row = (
      seq: string,
      kind: string,
      channel: string,
      funded: string,
      held: string,
      spent: string,
      uncertain: string,
    ) => ({
      seq,
      kind,
      channel,
      funded,
      held,
      spent,
      uncertain,
    });
    expect(rows).toEqual([
      row("1", "opened", "gpu", "3", "0", "0", "0"),
      row("1", "opened", "tokens", "10", "0", "0", "0"),
      row("1", "opened", "usd", "2", "0", "0", "0"),
      row("2", "spawned", "gpu", "0", "1.5", "0", "0"),
      row("2", "spawned", "tokens", "0", "4", "0", "0"),
      row("3", "metered", "tokens", "0", "0", "1", "0"),
      row("3", "metered", "usd", "0", "0", "0.5", "0.5"),
      row("4", "metered", "usd", "0", "0", "1.5", "1.5"),
    ]);
    const spawned = await books.rows(
      "select distinct operation_id, run_id, node_id from ledger.postings where tenant_id = $1 and seq = 2",
    );
    expect(spawned).toEqual([{ operation_id: "s", run_id: "r", node_id: "a" }]);
  });

  it("count a seal's remainder as spent while it lasts", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { usd: "2" }), meter("p", { usd_known: false }, { operation_id: "m" }));
    await books.ok({
      op: "correct",
      of: "m",
      reason: "r",
      spend: { iterations: 0, input_tokens: 0, output_tokens: 0, usd: "0.5" },
    });
    const rows = await books.rows(
      "select kind, spent, uncertain from ledger.postings where tenant_id = $1 and channel = 'usd' and seq > 1 order by seq",
    );
    expect(rows).toEqual([
      { kind: "metered", spent: "2", uncertain: "2" },
      { kind: "corrected", spent: "-1.5", uncertain: "-2" },
    ]);
  });
});

it("tells apart what only a seal put there, also where nothing else is left of an event", async () => {
  const books = await ledger.open();
  await books.ok(openPool("p", { usd: "5" }), meter("p", { usd_known: false }));
  await books.ok(meter("p", { usd: "2", usd_known: false }));
  const rows = await books.rows(
    "select seq, spent, uncertain, remainder from ledger.postings where tenant_id = $1 and channel = 'usd' order by seq",
  );
  expect(rows).toEqual([
    { seq: "1", spent: "0", uncertain: "0", remainder: "0" },
    { seq: "2", spent: "5", uncertain: "5", remainder: "5" },
    // Two of the five dollars are somebody's now.
    { seq: "3", spent: "0", uncertain: "0", remainder: "-2" },
  ]);
});
