/** When it happened, and how much it was. */
import { describe, expect, it } from "vitest";
import { meter, openPool, openRun, settle, settleDriver, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
describe("when it happened", () => {
  it("is kept beside when it was booked", async () => {
    const books = await ledger.open();
    const effective_at = "2024-02-29T23:30:00.25-01:30";
    await books.ok(
      openPool("p", {}, { effective_at }),
      spawn("p", "a", {}, { effective_at: "2024-01-01 00:00Z" }),
      settle("a"),
    );
    const rows = await books.journal("p");
    expect(rows.map((row) => row.effective_at)).toEqual([
      new Date("2024-03-01T01:00:00.250Z"),
      new Date("2024-01-01T00:00:00Z"),
      rows[2]?.recorded_at,
    ]);
  });

  it("is that of the cause in rows written for others", async () => {
    const books = await ledger.open();
    const effective_at = "2024-01-01T00:00:00Z";
    await books.ok(
      openPool("top", { usd: "1" }),
      openRun("r", {}, { parent_pool_id: "top" }),
      meter("r", { usd: "0.5" }, { effective_at }),
    );
    await books.ok({ op: "close_pool", pool_id: "r", effective_at });
    expect((await books.journal("top")).slice(-2)).toMatchObject([
      { kind: "drawn", effective_at: new Date(effective_at) },
      { kind: "settled", effective_at: new Date(effective_at) },
    ]);
  });

  it.each([
    "2999-01-01T00:00:00Z",
    "2024-01-01T00:00:00",
    "yesterday",
    5,
    null,
    "2024-02-30T00:00:00Z",
    "2024-01-01T00:00:00+99",
  ])("cannot be %j", async (effective_at) => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    expect(await books.failed("LG001", meter("p", {}, { effective_at }))).toBe("effective_at");
  });

  it("may be a moment that is just over, but not one to come", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
    await books.ok(meter("p", {}, { effective_at: inMs(-1000) }));
    expect(await books.failed("LG001", meter("p", {}, { effective_at: inMs(5000) }))).toBe("effective_at");
  });
});

describe("amounts", () => {
  it("are exact to 12 decimals, and LG001 beyond", async () => {
    const books = await ledger.open();
    const smallest = "0.000000000001";
    await books.ok(openPool("p", { usd: "999999999999999.999999999999" }));
    for (let n = 0; n < 3; n += 1) await books.ok(meter("p", { usd: smallest }));
    expect(await books.balance("p", "usd")).toEqual(["999999999999999.999999999996", "0", "0.000000000003"]);
    expect(await books.failed("LG001", meter("p", { usd: "0.0000000000001" }))).toBe("spend.usd");
    await books.ok(meter("p", { usd: "0.1000000000000" }));
    expect((await books.journal("p")).at(-1)).toMatchObject({ usd: "0.1" });
  });

  it("do not drift: a hundred times seven cents is seven dollars", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { usd: "7" }));
    await books.apply(Array.from({ length: 100 }, () => meter("p", { usd: 0.07 })));
    expect(await books.balance("p", "usd")).toEqual(["0", "0", "7"]);
  });

  it("add up beyond 2^53", async () => {
    const books = await ledger.open();
    const most = 9007199254740991;
    await books.ok(openRun("r", { tokens: most }));
    await books.apply(Array.from({ length: 5 }, () => meter("r", { input_tokens: most, output_tokens: most })));
    expect(await books.balance("r", "tokens")).toEqual(["-81064793292668919", "0", "90071992547409910"]);
    const total = await books.row(
      "select input_tokens, charged_tokens from ledger.spent_breakdown where tenant_id = $1 and source = 'total'",
    );
    expect(total).toEqual({ input_tokens: "45035996273704955", charged_tokens: "90071992547409910" });
    expect(await books.ok(settleDriver("r"))).toMatchObject({ spend: { charged_tokens: "90071992547409910" } });
  });
});
