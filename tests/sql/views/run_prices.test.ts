import { describe, expect, it } from "vitest";
import type { Operation } from "../books.js";
import { meter, openPool, openRun, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";
import { price, priceFrom, putPrices } from "../prices.js";

const ledger = useLedger();
const of = (model: string): Operation => ({ provider: "acme", model });

describe("run_prices", () => {
  it("prices a run under two books side by side, and says what neither knows", async () => {
    const books = await ledger.open();
    const at = (input: string, output: string): Operation[] => [
      price("m", "input", input),
      price("m", "output", output),
    ];
    await putPrices(books, "a", at("1", "2"));
    await priceFrom(books, "b", at("3", "4"));
    await books.ok(
      openPool("top"),
      openRun("known", {}, { parent_pool_id: "top" }),
      spawnDriver("known", "below"),
      meter("known", { input_tokens: 1_000_000, output_tokens: 500_000, usd: "1.5" }, of("m")),
      meter("below", { input_tokens: 100_000, usd_known: false }, of("m")),
      openRun("partly", {}, { parent_pool_id: "top" }),
      meter("partly", { input_tokens: 1_000_000, usd: "9" }, of("m")),
      meter("partly", { input_tokens: 1_000_000, usd_known: false }, of("stranger")),
      openRun("unknown", {}, { parent_pool_id: "top" }),
      meter("unknown", { input_tokens: 1_000_000, usd_known: false }, of("stranger")),
      openRun("idle", {}, { parent_pool_id: "top" }),
      meter("top", { input_tokens: 1_000_000, usd: "5" }, of("m")),
    );
    const rows = await books.rows("select * from ledger.run_prices where tenant_id = $1 order by run_id, book");
    expect(
      rows.map(({ run_id, book, calls, unpriced_calls, usd, usd_known, booked_usd, booked_usd_known }) => [
        run_id,
        book,
        calls,
        unpriced_calls,
        usd,
        usd_known,
        booked_usd,
        booked_usd_known,
      ]),
    ).toEqual([
      ["idle", "a", "0", "0", "0", true, "0", true],
      ["idle", "b", "0", "0", "0", true, "0", true],
      // 1 + 0.5 * 2 + 0.1; 3 + 0.5 * 4 + 0.1 * 3; booked: a receipt of 1.5 and 0.3 from book b
      ["known", "a", "2", "0", "2.1", true, "1.8", false],
      ["known", "b", "2", "0", "5.3", true, "1.8", false],
      ["partly", "a", "2", "1", "1", false, "9", false],
      ["partly", "b", "2", "1", "3", false, "9", false],
      ["unknown", "a", "1", "1", null, false, null, false],
      ["unknown", "b", "1", "1", null, false, null, false],
    ]);
  });
});
