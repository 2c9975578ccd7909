/** A catalogue's price as rates of the ledger: its fall-backs spelt out, its tiers, its dates. */
import type { ModelInfo } from "@pydantic/genai-prices";
import { describe, expect, it } from "vitest";
import { ratesOf } from "../../src/prices/rates.js";

const rates = (prices: ModelInfo["prices"], id = "m") => {
  const found = ratesOf({ id, match: { equals: id }, prices });
  if (typeof found === "string") return found;
  return found.map(({ token_class, usd_per_million, above_input_tokens, valid_from, valid_to }) =>
    [token_class, usd_per_million, above_input_tokens, valid_from, valid_to]
      .filter((part) => part !== undefined)
      .join(" "),
  );
};

describe("rates", () => {
  it("of a class without a price are those of the class around it", () => {
    expect(rates({ input_mtok: 3, output_mtok: 15 })).toEqual([
      "input 3",
      "cache_read 3",
      "cache_write 3",
      "cache_write_1h 3",
      "output 15",
    ]);
    expect(rates({ input_mtok: 3, cache_read_mtok: 0.3, cache_write_mtok: 3.75 })).toEqual([
      "input 3",
      "cache_read 0.3",
      "cache_write 3.75",
      "cache_write_1h 3.75",
    ]);
  });

  it("of reasoning and of calls are there where the catalogue has them", () => {
    expect(rates({ output_mtok: 8, output_reasoning_mtok: 3, requests_kcount: 5 })).toEqual([
      "output 8",
      "reasoning 3",
      "request 5000",
    ]);
  });

  it("are rounded half-even to 6 decimals", () => {
    expect(rates({ output_mtok: 0.08333333333333334 })).toEqual(["output 0.083333"]);
    expect(rates({ output_mtok: 0.0000005 })).toEqual(["output 0"]);
    expect(rates({ output_mtok: 0.07500000000000001 })).toEqual(["output 0.075"]);
  });

  it("have tiers, and begin and end", () => {
    const tiered = { base: 5, tiers: [{ start: 200_000, price: 10 }] };
    expect(
      rates([
        { prices: { output_mtok: tiered } },
        { constraint: { type: "start_date", start_date: "2026-03-13" }, prices: { output_mtok: 5 } },
        { constraint: { type: "start_date", start_date: "2026-06-01" }, prices: { output_mtok: 4 } },
      ]),
    ).toEqual([
      "output 5 2026-03-13T00:00:00Z",
      "output 10 200000 2026-03-13T00:00:00Z",
      "output 5 2026-03-13T00:00:00Z 2026-06-01T00:00:00Z",
      "output 4 2026-06-01T00:00:00Z",
    ]);
  });

  it("are unknown where the price depends on the hour, or there is none for tokens", () => {
    const constraint = { type: "time_of_date" as const, start_time: "00:30:00Z", end_time: "16:30:00Z" };
    expect(rates([{ prices: { input_mtok: 1 } }, { constraint, prices: { input_mtok: 2 } }])).toBe("time_of_day");
    expect(rates({ audio_hours: 1 })).toBe("no_token_price");
    expect(rates({})).toBe("no_token_price");
    expect(rates({}, "acme/large:free")).toEqual([
      "input 0",
      "cache_read 0",
      "cache_write 0",
      "cache_write_1h 0",
      "output 0",
    ]);
  });
});
