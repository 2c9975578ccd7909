import { describe, expect, it } from "vitest";
import type { Books, Row } from "../books.js";
import { correct, meter, openPool, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const at = (books: Books, poolId: string, instant: unknown): Promise<Row[]> =>
  books.rows("select * from ledger.balance_at($1, $2, $3) order by channel", poolId, instant);
/** The server's clock, between two operations. */
const now = async (books: Books): Promise<unknown> =>
  (await books.row("select clock_timestamp()::text as now where $1 <> ''")).now;

describe("balance_at", () => {
  it("says what the channels were after each operation", async () => {
    const books = await ledger.open();
    const before = await now(books);
    const instants: unknown[] = [];
    const seen: unknown[][] = [];
    for (const operation of [
      openPool("p", { tokens: 100, usd: "5" }),
      spawn("p", "a", { tokens: 40, usd: "1" }),
      meter("p", { input_tokens: 5, usd: "0.5", usd_known: false }, { operation_id: "m" }),
      settle("a", { input_tokens: 10, usd_known: false }),
      correct("m", { input_tokens: 7, usd: "0.75" }),
      meter("p", { usd_known: false }),
      { op: "fund", pool_id: "p", amounts: { tokens: -50, usd: 1 } },
    ]) {
      await books.ok(operation);
      instants.push(await now(books));
      seen.push(
        await books.rows(
          "select tenant_id, pool_id, channel, unit, capped, total, free, reserved, committed, uncertain from ledger.channels where tenant_id = $1 order by channel",
        ),
      );
    }
    expect(await at(books, "p", before)).toEqual([]);
    for (const [n, instant] of instants.entries()) expect(await at(books, "p", instant)).toEqual(seen[n]);
  });

  it("ends where the books are now, for every pool of a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const pools = await books.rows("select pool_id from ledger.pools where tenant_id = $1");
    expect(pools.length).toBeGreaterThan(6);
    for (const { pool_id } of pools) {
      const current = await books.rows(
        "select tenant_id, pool_id, channel, unit, capped, total, free, reserved, committed, uncertain from ledger.channels where tenant_id = $1 and pool_id = $2 order by channel",
        pool_id,
      );
      expect(await at(books, String(pool_id), await now(books)), String(pool_id)).toEqual(current);
    }
  });

  it("includes what was booked at that very instant", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 10 }), spawnDriver("p", "d", { tokens: 4 }), settleDriver("d"));
    const [opened, spawned] = await books.rows(
      "select recorded_at::text as at, (recorded_at - interval '1 us')::text as just_before from ledger.journal where tenant_id = $1 and pool_id = 'p' order by seq",
    );
    expect((await at(books, "p", opened?.at)).length).toBe(3);
    expect(await at(books, "p", opened?.just_before)).toEqual([]);
    const tokens = async (instant: unknown) =>
      (await at(books, "p", instant)).find(({ channel }) => channel === "tokens")?.free;
    expect(await tokens(spawned?.just_before)).toBe("10");
    expect(await tokens(spawned?.at)).toBe("6");
  });

  it("knows no pool that is not, and no time before the first", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    expect(await at(books, "nowhere", "2999-01-01")).toEqual([]);
    expect(await at(books, "p", "1999-01-01")).toEqual([]);
    expect((await at(books, "p", "infinity")).length).toBe(3);
  });
});
