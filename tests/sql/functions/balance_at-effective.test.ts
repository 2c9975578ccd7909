/** Balances by effective time: what had happened by then, as far as is known now. */
import { describe, expect, it } from "vitest";
import type { Books } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const OCTOBER = { effective_at: "2025-10-01T00:00:00Z" };
const MID_OCTOBER = { effective_at: "2025-10-15T12:00:00Z" };
const NOVEMBER = { effective_at: "2025-11-03T00:00:00Z" };
const END_OF_OCTOBER = "2025-11-01T00:00:00Z";
const END_OF_NOVEMBER = "2025-12-01T00:00:00Z";

/** `total, free, reserved, committed, uncertain` of one channel at an instant. */
async function at(books: Books, poolId: string, channel: string, instant: unknown, by: string): Promise<unknown> {
  const [row] = await books.rows(
    "select total, free, reserved, committed, uncertain from ledger.balance_at($1, $2, $3, $4) where channel = $5",
    poolId,
    instant,
    by,
    channel,
  );
  return row && Object.values(row);
}

const effective = (books: Books, poolId: string, channel: string, instant: unknown): Promise<unknown> =>
  at(books, poolId, channel, instant, "effective");
const now = async (books: Books): Promise<unknown> =>
  (await books.row("select clock_timestamp()::text as now where $1 <> ''")).now;

describe("balance_at by effective time", () => {
  it("sees a late spend where it happened, and the recorded balance of then stays what it was", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { usd: "10", tokens: 1_000 }, OCTOBER));
    await books.ok(meter("p", { input_tokens: 100, usd: "1" }, MID_OCTOBER));
    const closing = await now(books);
    const recorded = await at(books, "p", "usd", closing, "recorded");
    expect(recorded).toEqual(["10", "9", "0", "1", "0"]);
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(recorded);

    await books.ok(meter("p", { input_tokens: 50, usd: "2.5" }, MID_OCTOBER), meter("p", { usd: "4" }, NOVEMBER));
    expect(await at(books, "p", "usd", closing, "recorded")).toEqual(recorded);
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "6.5", "0", "3.5", "0"]);
    expect(await effective(books, "p", "tokens", END_OF_OCTOBER)).toEqual(["1000", "850", "0", "150", "0"]);
    expect(await effective(books, "p", "usd", END_OF_NOVEMBER)).toEqual(["10", "2.5", "0", "7.5", "0"]);
    // By recorded time nothing of it was known in 2025.
    expect(await at(books, "p", "usd", END_OF_NOVEMBER, "recorded")).toBeUndefined();
  });

  it("takes a correction at its own time: dated into the old period it changes that one, undated today", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("p", { usd: "10" }, OCTOBER),
      meter("p", { usd: "1", usd_known: false }, { operation_id: "one", ...MID_OCTOBER }),
      meter("p", { usd: "1", usd_known: false }, { operation_id: "two", ...MID_OCTOBER }),
    );
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "8", "0", "2", "2"]);
    await books.ok(correct("one", { usd: "1.25" }, MID_OCTOBER));
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "7.75", "0", "2.25", "1"]);
    await books.ok(correct("two", { usd: "0.5" }));
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "7.75", "0", "2.25", "1"]);
    expect(await effective(books, "p", "usd", "infinity")).toEqual(["10", "8.25", "0", "1.75", "0"]);
  });

  it("holds from spawn to settlement, and a hold that ended before it began never was", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("p", { usd: "10" }, OCTOBER),
      spawn("p", "a", { usd: "3" }, MID_OCTOBER),
      spawn("p", "undated", { usd: "2" }),
    );
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "7", "3", "0", "0"]);
    await books.ok(settle("a", { usd: "1" }, NOVEMBER), settle("undated", { usd: "0.5" }, MID_OCTOBER));
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "6.5", "3", "0.5", "0"]);
    expect(await effective(books, "p", "usd", END_OF_NOVEMBER)).toEqual(["10", "8.5", "0", "1.5", "0"]);
    expect(await effective(books, "p", "usd", "infinity")).toEqual(["10", "8.5", "0", "1.5", "0"]);
  });

  it("works a sealed remainder out for the instant", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("p", { usd: "10" }, OCTOBER),
      meter("p", { usd_known: false }, { operation_id: "dark", ...NOVEMBER }),
    );
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "10", "0", "0", "0"]);
    expect(await effective(books, "p", "usd", END_OF_NOVEMBER)).toEqual(["10", "0", "0", "10", "10"]);
    // Booked while the pool is sealed, it eats the remainder; in October nothing was sealed.
    await books.ok(meter("p", { usd: "3" }, MID_OCTOBER));
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "7", "0", "3", "0"]);
    expect(await effective(books, "p", "usd", END_OF_NOVEMBER)).toEqual(["10", "0", "0", "10", "7"]);
    await books.ok(correct("dark", { usd: "4" }, NOVEMBER));
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toEqual(["10", "7", "0", "3", "0"]);
    expect(await effective(books, "p", "usd", END_OF_NOVEMBER)).toEqual(["10", "3", "0", "7", "0"]);
  });

  it("seals nothing where unknown dollars are flagged, or where nothing is capped", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("flag", { usd: "10" }, { unknown_usd: "flag", ...OCTOBER }),
      meter("flag", { usd_known: false }, MID_OCTOBER),
      openPool("open", {}, OCTOBER),
      meter("open", { input_tokens: 5, usd: "0.5" }, MID_OCTOBER),
      meter("open", { usd_known: false }, NOVEMBER),
    );
    expect(await effective(books, "flag", "usd", END_OF_OCTOBER)).toEqual(["10", "10", "0", "0", "0"]);
    expect(await effective(books, "open", "usd", END_OF_OCTOBER)).toEqual([null, null, "0", "0.5", "0"]);
    expect(await effective(books, "open", "tokens", END_OF_NOVEMBER)).toEqual([null, null, "0", "5", "0"]);
  });

  it("has no rows before the opening by that time, whatever is dated before it", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { usd: "10" }, NOVEMBER), meter("p", { usd: "1" }, MID_OCTOBER));
    expect(await effective(books, "p", "usd", END_OF_OCTOBER)).toBeUndefined();
    expect(await effective(books, "p", "usd", END_OF_NOVEMBER)).toEqual(["10", "9", "0", "1", "0"]);
  });

  it("follows late spend and corrections of a closed pool up to the open one", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("month", { usd: "10" }, OCTOBER),
      openRun("run", { usd: "4" }, { parent_pool_id: "month", ...OCTOBER }),
      meter("run", { usd: "1" }, MID_OCTOBER),
      settleDriver("run", NOVEMBER),
      meter("run", { usd: "0.5" }, NOVEMBER),
    );
    expect(await effective(books, "month", "usd", END_OF_OCTOBER)).toEqual(["10", "6", "4", "0", "0"]);
    expect(await effective(books, "run", "usd", END_OF_OCTOBER)).toEqual(["4", "3", "0", "1", "0"]);
    expect(await effective(books, "month", "usd", END_OF_NOVEMBER)).toEqual(["10", "8.5", "0", "1.5", "0"]);
    expect(await effective(books, "run", "usd", END_OF_NOVEMBER)).toEqual(["1.5", "0", "0", "1.5", "0"]);
  });

  it("ends where the books are now, and by recorded time says what every seq left, for every pool of a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    await books.ok(
      openPool("sealed", { usd: "5" }),
      spawnDriver("sealed", "sealed:d", { usd: "2" }),
      meter("sealed:d", { usd: "0.5" }),
      meter("sealed", { usd_known: false }, { operation_id: "unknown" }),
      settleDriver("sealed:d"),
    );
    const pools = await books.rows("select pool_id from ledger.pools where tenant_id = $1");
    expect(pools.length).toBeGreaterThan(8);
    for (const { pool_id } of pools) {
      for (const by of ["effective", "recorded"]) {
        const differing = await books.rows(
          `select c.channel from ledger.channels c
           left join ledger.balance_at($1, $2, 'infinity', $3) b on b.channel = c.channel
           where c.tenant_id = $1 and c.pool_id = $2
             and (c.unit, c.capped, c.total, c.free, c.reserved, c.committed, c.uncertain)
               is distinct from (b.unit, b.capped, b.total, b.free, b.reserved, b.committed, b.uncertain)`,
          pool_id,
          by,
        );
        expect(differing, `${pool_id} ${by}`).toEqual([]);
      }
      // Postings are what the journal says each event did; rows of one instant count together.
      const wrong = await books.rows(
        `select s.seq, s.channel from (
           select p.seq, p.channel, p.recorded_at,
             sum(p.spent) over w as committed, sum(p.held) over w as reserved, sum(p.uncertain) over w as uncertain
           from ledger.postings p where p.tenant_id = $1 and p.pool_id = $2
           window w as (partition by p.channel order by p.recorded_at)
         ) s
         left join lateral ledger.balance_at($1, $2, s.recorded_at) b on b.channel = s.channel
         where (b.committed, b.reserved, b.uncertain) is distinct from (s.committed, s.reserved, s.uncertain)`,
        pool_id,
      );
      expect(wrong, String(pool_id)).toEqual([]);
    }
    await books.ok(correct("unknown", { usd: "1" }));
  });
});

describe("balance_at refuses", () => {
  it.each([
    ["p_pool_id", [null, "now()", "'recorded'"]],
    ["p_at", ["'p'", "null", "'recorded'"]],
    ["p_by", ["'p'", "now()", "null"]],
    ["p_by", ["'p'", "now()", "'booked'"]],
  ])("%s that is missing or means nothing", async (path, args) => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const call = books.rows(`select * from ledger.balance_at($1, ${args.map(String).join(", ")})`);
    const error = await call.catch((thrown: { code: string; detail: string }) => thrown);
    expect(error).toMatchObject({ code: "LG001" });
    expect(JSON.parse((error as { detail: string }).detail)).toMatchObject({ path, rule: expect.any(String) });
  });
});
