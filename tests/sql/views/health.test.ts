/** One row per tenant that says how it stands. */
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books, Row } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const health = (books: Books): Promise<Row> => books.row("select * from ledger.health where tenant_id = $1");

describe("health", () => {
  it("of a tenant with nothing is a row of zeros, and shares of nothing are unknown", async () => {
    const books = await ledger.open();
    expect(await health(books)).toEqual({
      tenant_id: books.tenantId,
      open_pools: "0",
      sealed_channels: "0",
      frozen_pools: "0",
      open_holds: "0",
      oldest_hold_at: null,
      oldest_hold_node_id: null,
      oldest_hold_ms: null,
      leases_passed: "0",
      events: "0",
      unknown_tokens_share: null,
      unknown_usd_share: null,
      uncertain_tokens_share: null,
      uncertain_usd_share: null,
      refusals_24h: "0",
      retries_24h: "0",
    });
  });

  it("counts pools by state, sealed channels and refusals", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top", { usd: "9" }),
      openRun("run", { usd: "2" }, { parent_pool_id: "top" }),
      openPool("cold"),
      { op: "freeze", pool_id: "cold" },
      openPool("over"),
      { op: "close_pool", pool_id: "over" },
      meter("run", { usd_known: false }, { operation_id: "dark" }),
    );
    await books.refused("usd-sealed", spawn("run", "a", { usd: "1" }));
    await books.refused("pool-frozen", spawn("cold", "b"));
    expect(await health(books)).toMatchObject({
      open_pools: "2",
      frozen_pools: "1",
      sealed_channels: "1",
      open_holds: "1",
      oldest_hold_node_id: "run",
      refusals_24h: "2",
    });
    await books.ok(correct("dark", { usd: "1" }));
    expect(await health(books)).toMatchObject({ sealed_channels: "0", unknown_usd_share: "0" });
  });

  it("names the oldest hold, also below others, until it ends, and counts pools whose leases have passed", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("p", { tokens: 100 }),
      spawn("p", "first", { tokens: 1 }, { lease_ms: 1 }),
      spawnDriver("p", "driver", { tokens: 9 }),
      spawn("driver", "below", { tokens: 1 }, { lease_ms: 3_600_000 }),
    );
    await pause(5);
    const { spawned_at } = await books.node("first");
    const row = await health(books);
    expect(row).toMatchObject({ open_holds: "3", oldest_hold_node_id: "first", leases_passed: "1" });
    expect(row.oldest_hold_at).toEqual(spawned_at);
    expect(Number(row.oldest_hold_ms)).toBeGreaterThanOrEqual(5);
    await books.ok(settle("first"));
    expect(await health(books)).toMatchObject({ open_holds: "2", oldest_hold_node_id: "driver" });
    await books.ok(settle("below"), settleDriver("driver"));
    expect(await health(books)).toMatchObject({ open_holds: "0", oldest_hold_node_id: null, leases_passed: "0" });
  });

  it("says which share nobody reported, and which was charged without a receipt", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r"),
      meter("r", { input_tokens: 60, usd: "3" }),
      meter("r", { input_tokens: 20, usd: "1", usd_known: false }),
      meter("r", { usd_known: false }, { operation_id: "dark" }),
      spawn("r", "w", { tokens: 20 }),
      { op: "dispatch", node_id: "w" },
      { op: "cancel", operation_id: "end", node_id: "w", reason: "no answer" },
    );
    // Four spends: known, an estimate, unknown dollars, and a ceiling of 20 tokens with neither. 4 dollars and 100 tokens were charged.
    const shares = {
      unknown_tokens_share: "0.25",
      unknown_usd_share: "0.5",
      uncertain_tokens_share: "0.2",
      uncertain_usd_share: "0.25",
    };
    expect(await health(books)).toMatchObject(shares);
    await books.ok(correct("end", { input_tokens: 20, usd: "0" }), correct("dark", { usd: "0" }));
    expect(await health(books)).toMatchObject({
      unknown_tokens_share: "0",
      unknown_usd_share: "0",
      uncertain_tokens_share: "0",
      uncertain_usd_share: "0.25",
    });
  });

  it("counts the rows of the journal, and agrees with what trees say is uncertain, over a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const { rows } = await books.row("select count(*) as rows from ledger.journal where tenant_id = $1");
    const row = await health(books);
    expect(row.events).toBe(rows);
    const total = await books.row(
      `select round(sum(uncertain_usd) / sum(usd), 6)::float as usd, round(sum(uncertain_tokens) / sum(charged_tokens), 6)::float as tokens
       from ledger.spent_breakdown where tenant_id = $1 and source = 'total'`,
    );
    expect([Number(row.uncertain_usd_share), Number(row.uncertain_tokens_share)]).toEqual([total.usd, total.tokens]);
    expect(row).toMatchObject({ frozen_pools: "1", refusals_24h: "3", oldest_hold_node_id: expect.any(String) });
  });
});
