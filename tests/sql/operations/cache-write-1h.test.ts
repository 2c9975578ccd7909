/** Cache writes for an hour: part of the cache writes, told apart in every place that keeps usage. */
import { beforeEach, describe, expect, it } from "vitest";
import { type Books, type Operation, WAYS } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const written = (all: number, hour: number): Operation => ({
  ...{ input_tokens: 100, cache_write_tokens: all, cache_write_1h_tokens: hour, usd: "0" },
});

describe.each(WAYS)("cache_write_1h_tokens %s", (way) => {
  let books: Books;

  beforeEach(async () => {
    books = await ledger.open(way);
    await books.ok(openRun("r"));
  });

  const journal = async (): Promise<unknown[]> =>
    (await books.journal("r")).map(({ cache_write_1h_tokens }) => cache_write_1h_tokens);

  it("is kept beside the cache writes, 0 where nothing was said, null where nothing was consumed", async () => {
    await books.ok(
      meter("r", written(10, 4)),
      meter("r", { input_tokens: 5, cache_write_tokens: 5 }),
      spawn("r", "leaf"),
      settle("leaf", written(7, 7)),
    );
    expect(await journal()).toEqual([null, "4", "0", null, "7"]);
  });

  it("is in the answer of a settlement where there is some, and in what a driver adds up", async () => {
    await books.ok(spawn("r", "none"), spawnDriver("r", "driver"), meter("driver", written(9, 5)), spawn("r", "leaf"));
    const { spend: none } = await books.ok(settle("none", written(3, 0)));
    expect(none).not.toHaveProperty("cache_write_1h_tokens");
    const { spend } = await books.ok(settle("leaf", written(7, 6)));
    expect(spend).toMatchObject({ cache_write_tokens: "7", cache_write_1h_tokens: "6" });
    const driver = await books.ok(settleDriver("driver"));
    expect(driver.spend).toMatchObject({ cache_write_tokens: "9", cache_write_1h_tokens: "5" });
    expect((await journal()).at(-1)).toBe("5");
  });

  it("is corrected by differences", async () => {
    await books.ok(
      meter("r", written(10, 4), { operation_id: "turn" }),
      correct("turn", written(20, 1)),
      correct("turn", written(20, 9)),
    );
    expect(await journal()).toEqual([null, "4", "-3", "8"]);
  });

  it("is kept and corrected by line", async () => {
    const line = (model: string, all: number, hour: number): Operation => ({ model, ...written(all, hour) });
    const both = (all: number, hour: number): Operation => ({ ...written(all, hour), input_tokens: 200 });
    await books.ok(
      meter("r", both(30, 15), { operation_id: "turn", lines: [line("a", 10, 5), line("b", 20, 10)] }),
      correct("turn", both(30, 19), { lines: [line("a", 10, 5), line("b", 20, 14)] }),
      correct("turn", { ...both(30, 25), input_tokens: 200 }),
    );
    expect(
      await books.rows(
        "select seq, model, cache_write_1h_tokens as hour from ledger.usage_lines where tenant_id = $1 and pool_id = 'r' order by seq, model",
      ),
    ).toEqual([
      { seq: "2", model: "a", hour: "5" },
      { seq: "2", model: "b", hour: "10" },
      { seq: "3", model: "b", hour: "4" },
      { seq: "4", model: null, hour: "6" },
    ]);
  });

  it("cannot exceed the cache writes, in a spend or a line, and adds up", async () => {
    expect(await books.failed("LG001", meter("r", written(3, 4)))).toBe("spend.cache_write_1h_tokens");
    expect(await books.failed("LG001", meter("r", { cache_write_1h_tokens: 1 }))).toBe("spend.cache_write_1h_tokens");
    expect(await books.failed("LG001", meter("r", written(3, -1)))).toBe("spend.cache_write_1h_tokens");
    expect(await books.failed("LG001", meter("r", written(3, 3), { lines: [written(3, 4)] }))).toBe(
      "lines.0.cache_write_1h_tokens",
    );
    expect(await books.failed("LG001", meter("r", written(3, 3), { lines: [written(3, 2)] }))).toBe("lines");
  });
});

describe("a pool without a run", () => {
  it("keeps them as well", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"), meter("p", written(2, 1)));
    expect(await books.journal("p")).toMatchObject([{}, { cache_write_1h_tokens: "1" }]);
  });
});
