/** Calls priced from a book that are corrected, or told line by line. Alone and in a batch (the fold) alike. */
import { beforeEach, describe, expect, it } from "vitest";
import { type Books, type Operation, type Row, WAYS } from "../books.js";
import { correct, meter, openPool, settle, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";
import { priceFrom, usePrices } from "../prices.js";
import { BOOK, estimate, lastDollars, NOBODY_KNOWS, of, receipt, SPRING, SUMMER, UNKNOWN } from "./price-list.js";

const ledger = useLedger();

describe.each(WAYS)("a call %s", (way) => {
  let books: Books;

  beforeEach(async () => {
    books = await ledger.open(way);
    await priceFrom(books, "list", BOOK);
  });

  const last = (poolId: string): Promise<Row> => lastDollars(books, poolId);

  describe("corrected", () => {
    const turn = (model: string, input: number, more: Operation = {}): Operation =>
      meter("p", { ...UNKNOWN, input_tokens: input }, of(model, { operation_id: "turn", ...more }));

    it("grows across a tier and is priced anew, whole", async () => {
      await books.ok(openPool("p", { usd: "5" }), turn("tiered", 150_000));
      expect(await last("p")).toEqual(estimate("0.15"));
      await books.ok(correct("turn", { ...UNKNOWN, input_tokens: 250_000 }));
      expect(await last("p")).toEqual(estimate("0.35"));
      expect(await books.channel("p", "usd")).toMatchObject({ committed: "0.5", uncertain: "0.5", sealed: false });
    });

    it("is priced as of the event it corrects, by its provider and model", async () => {
      await books.ok(openPool("p"), turn("seasonal", 1_000_000, { effective_at: SPRING }));
      await books.ok(correct("turn", { ...UNKNOWN, input_tokens: 3_000_000 }, { effective_at: SUMMER }));
      expect(await last("p")).toEqual(estimate("2"));
      await books.ok(correct("turn", { ...UNKNOWN, input_tokens: 2_000_000 }));
      expect(await last("p")).toMatchObject({ usd: "-1", uncertain_usd: "-1" });
    });

    it("late, after it expired, is priced as what was settled, when that was", async () => {
      await books.ok(
        openPool("p", { tokens: 9_000_000, usd: "50" }),
        spawn("p", "leaf", { tokens: 5_000_000, usd: "20" }, { lease_ms: 1, effective_at: SPRING }),
        { op: "dispatch", node_id: "leaf", effective_at: SPRING },
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
      await books.ok({ op: "expire" });
      const late = { operation_id: "late", effective_at: SPRING, provider_request_id: "r" };
      await books.ok(settle("leaf", { ...UNKNOWN, input_tokens: 1_000_000 }, of("seasonal", late)));
      await books.ok(correct("late", { ...UNKNOWN, input_tokens: 3_000_000 }));
      expect(await books.channel("p", "usd")).toMatchObject({ committed: "3", uncertain: "3", sealed: false });
      expect((await books.journal("p")).at(-1)).toMatchObject({ provider: "acme", model: "seasonal", usd: "2" });
      const call = { provider: "acme", model: "seasonal", provider_request_id: "r" };
      expect(
        await books.rows(
          `select provider, model, provider_request_id, booked_usd, usd from ledger.priced_usage
           where tenant_id = $1 and book = 'list' and pool_id = 'p'`,
        ),
      ).toEqual([{ ...call, booked_usd: "3", usd: "3" }]);
      expect(
        await books.rows(
          "select model, trim_scale(sum(usd)) as usd from ledger.usage_lines where tenant_id = $1 and pool_id = 'p' group by model",
        ),
      ).toEqual([{ model: "seasonal", usd: "3" }]);
    });

    it("opens what an unknown call sealed, once somebody can price it", async () => {
      await usePrices(books, null);
      await books.ok(openPool("p", { usd: "5" }), turn("big", 100_000));
      expect(await books.channel("p", "usd")).toMatchObject({ sealed: true, free: "0" });
      await usePrices(books, "list");
      await books.ok(correct("turn", { ...UNKNOWN, input_tokens: 100_000 }));
      expect(await books.channel("p", "usd")).toMatchObject({
        sealed: false,
        free: "4.7",
        committed: "0.3",
        uncertain: "0.3",
      });
    });

    it("to a receipt leaves no estimate", async () => {
      await books.ok(openPool("p", { usd: "5" }), turn("big", 100_000));
      await books.ok(correct("turn", { usd: "0.25", input_tokens: 100_000 }));
      expect(await last("p")).toEqual({ usd: "-0.05", usd_known: true, uncertain_usd: "-0.3", detail: null });
      expect(await books.channel("p", "usd")).toMatchObject({ committed: "0.25", uncertain: "0", measured: true });
    });

    it("with lines of other models is priced line by line", async () => {
      await books.ok(openPool("p", { usd: "5" }), turn("big", 100_000));
      await books.ok(
        correct(
          "turn",
          { ...UNKNOWN, input_tokens: 300_000 },
          {
            lines: [
              { ...UNKNOWN, input_tokens: 100_000 },
              { ...UNKNOWN, model: "tiered", input_tokens: 200_000 },
            ],
          },
        ),
      );
      expect(await last("p")).toEqual(estimate("0.2"));
      const lines = await books.rows(
        `select model, sum(input_tokens) as input, trim_scale(sum(usd)) as usd, trim_scale(sum(uncertain_usd)) as uncertain
         from ledger.usage_lines where tenant_id = $1 and pool_id = 'p' group by model order by model`,
      );
      expect(lines).toEqual([
        { model: "big", input: "100000", usd: "0.3", uncertain: "0.3" },
        { model: "tiered", input: "200000", usd: "0.2", uncertain: "0.2" },
      ]);
    });
  });

  describe("with lines", () => {
    const lines = (...models: string[]): Operation =>
      meter(
        "p",
        { ...UNKNOWN, input_tokens: models.length * 1_000 },
        { provider: "acme", lines: models.map((model) => ({ ...UNKNOWN, model, input_tokens: 1_000 })) },
      );
    const kept = (): Promise<Row[]> =>
      books.rows(
        `select model, usd, usd_known, uncertain_usd from ledger.usage_lines
         where tenant_id = $1 and pool_id = 'p' order by seq, line`,
      );

    it("costs the sum of their prices, each its own", async () => {
      await books.ok(openPool("p", { usd: "5" }), lines("big", "tiered", "free"));
      expect(await last("p")).toEqual(estimate("0.004"));
      expect(await kept()).toEqual([
        { model: "big", usd: "0.003", usd_known: false, uncertain_usd: "0.003" },
        { model: "tiered", usd: "0.001", usd_known: false, uncertain_usd: "0.001" },
        { model: "free", usd: "0", usd_known: true, uncertain_usd: "0" },
      ]);
    });

    it("is known where every line is free", async () => {
      await books.ok(openPool("p", { usd: "5" }), lines("free", "free"));
      expect(await last("p")).toEqual(receipt("0", { price_book: "list" }));
    });

    it("is unknown where one cannot be priced, and every line stays what it was", async () => {
      await books.ok(openPool("p"), lines("big", "stranger"));
      expect(await last("p")).toEqual(NOBODY_KNOWS);
      expect(await kept()).toEqual([
        { model: "big", usd: null, usd_known: false, uncertain_usd: "0" },
        { model: "stranger", usd: null, usd_known: false, uncertain_usd: "0" },
      ]);
    });

    it("takes a line's receipt of 0 as it is, and a model from the operation", async () => {
      await books.ok(
        openPool("p"),
        meter(
          "p",
          { ...UNKNOWN, input_tokens: 2_000 },
          of("big", {
            lines: [
              { usd: "0", input_tokens: 1_000 },
              { ...UNKNOWN, input_tokens: 1_000 },
            ],
          }),
        ),
      );
      expect(await last("p")).toEqual(estimate("0.003"));
      expect(await kept()).toMatchObject([
        { usd: "0", usd_known: true },
        { usd: "0.003", usd_known: false },
      ]);
    });

    it("is sized by each line, not by their sum", async () => {
      const line = { ...UNKNOWN, model: "tiered", input_tokens: 150_000 };
      await books.ok(
        openPool("p"),
        meter("p", { ...UNKNOWN, input_tokens: 300_000 }, { provider: "acme", lines: [line, line] }),
      );
      expect(await last("p")).toEqual(estimate("0.3"));
    });
  });
});
