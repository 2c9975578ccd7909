import { describe, expect, it } from "vitest";
import { meter, openPool, openRun, settle, settleDriver, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

describe("refusals", () => {
  it("say who was refused what, and the balances seen, in no journal", async () => {
    const books = await ledger.open();
    await books.ok(openRun("r", { tokens: 10, usd: "1" }));
    const before = await books.journal("r");
    await books.refused(
      "budget-exhausted",
      spawn("r", "a", { tokens: 11, usd: "2" }, { operation_id: "one", label: "search" }),
    );
    await books.refused("not-free", { op: "fund", pool_id: "r", amounts: { tokens: -11 }, operation_id: "two" });
    await books.refused(
      "budget-exhausted",
      openPool("p", { tokens: 12 }, { parent_pool_id: "r", operation_id: "three" }),
    );
    await books.ok(settleDriver("r"));
    await books.refused("pool-closed", spawn("r", "b", { tokens: 1 }, { operation_id: "four" }));
    await books.refused("pool-closed", { op: "freeze", pool_id: "r", operation_id: "five" });
    const rows = await books.rows(
      "select pool_id, operation_id, label, code, shortfall from ledger.refusals where tenant_id = $1 order by at",
    );
    expect(rows).toEqual([
      {
        pool_id: "r",
        operation_id: "one",
        label: "search",
        code: "budget-exhausted",
        shortfall: [
          { channel: "tokens", requested: "11", free: "10" },
          { channel: "usd", requested: "2", free: "1" },
        ],
      },
      {
        pool_id: "r",
        operation_id: "two",
        label: null,
        code: "not-free",
        shortfall: [{ channel: "tokens", requested: "11", free: "10" }],
      },
      {
        pool_id: "r",
        operation_id: "three",
        label: null,
        code: "budget-exhausted",
        shortfall: [{ channel: "tokens", requested: "12", free: "10" }],
      },
      { pool_id: "r", operation_id: "four", label: "b", code: "pool-closed", shortfall: [] },
      { pool_id: "r", operation_id: "five", label: null, code: "pool-closed", shortfall: [] },
    ]);
    expect((await books.journal("r")).slice(0, -1)).toEqual(before);
  });

  it("are kept once, however often they are sent, with the time of the first", async () => {
    const books = await ledger.open();
    const short = spawn("p", "a", { tokens: 2 }, { operation_id: "x" });
    await books.ok(openPool("p", { tokens: 1 }));
    await books.refused("budget-exhausted", short);
    const first = await books.row("select at from ledger.refusals where tenant_id = $1");
    await books.do(short);
    await books.apply([meter("p"), short]);
    expect(await books.row("select at from ledger.refusals where tenant_id = $1")).toEqual(first);
  });

  it("are not errors, and not what was granted", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"), spawn("p", "a"), settle("a"));
    await books.failed("LG004", settle("a"));
    await books.failed("LG001", meter("p", { input_tokens: -1 }));
    expect(await books.rows("select from ledger.refusals where tenant_id = $1")).toEqual([]);
  });
});
