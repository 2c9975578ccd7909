/** A batch of calls without a receipt is priced as its operations are one by one. */
import { describe, expect, it } from "vitest";
import type { Answer, Books, Operation } from "../books.js";
import { correct, meter, openPool, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";
import { priceFrom } from "../prices.js";
import { BOOK, of, UNKNOWN } from "./price-list.js";

const ledger = useLedger();

/** Operations of every kind that is priced, and some beside them. */
const HISTORY: readonly Operation[] = [
  openPool("top", { tokens: 9_000_000, iterations: 99, usd: "50" }, { unknown_usd: "flag" }),
  spawnDriver("top", "driver", { tokens: 4_000_000, iterations: 40 }),
  ...["big", "tiered", "free", "thinker", "stranger"].flatMap((model, n) => [
    spawn("driver", `leaf-${n}`, { tokens: 300_000, iterations: 2 }),
    meter(
      "driver",
      { ...UNKNOWN, input_tokens: 1_000 + n, output_tokens: n },
      of(model, { operation_id: `turn-${n}` }),
    ),
    { op: "dispatch", node_id: `leaf-${n}` },
    settle(`leaf-${n}`, { ...UNKNOWN, iterations: 1, input_tokens: 200_000 + n }, of(model)),
    meter(
      "top",
      { ...UNKNOWN, input_tokens: 30, cache_read_tokens: 10, cache_write_tokens: 8, cache_write_1h_tokens: n },
      of(model, { detail: n % 2 === 0 ? { n } : n }),
    ),
  ]),
  correct("turn-0", { ...UNKNOWN, input_tokens: 5_000 }),
  correct("turn-4", { ...UNKNOWN, input_tokens: 5_000 }),
];

describe("a batch", () => {
  it("is priced as its operations are one by one", async () => {
    const seen = async (apply: (books: Books) => Promise<Answer[]>): Promise<unknown> => {
      const books = await ledger.open();
      await priceFrom(books, "list", BOOK);
      const answers = (await apply(books)).map(({ status, code, result }) => ({ status, code, result }));
      const rows = await books.rows(
        `select pool_id, seq, kind, node_id, usd, usd_known, uncertain_usd, cache_write_1h_tokens, detail
         from ledger.journal where tenant_id = $1 order by pool_id, seq`,
      );
      const channels = await books.rows(
        "select pool_id, channel, free, reserved, committed, uncertain, sealed from ledger.channels where tenant_id = $1 order by 1, 2",
      );
      return { answers, rows, channels };
    };
    const together = await seen((books) => books.apply(HISTORY));
    const apart = await seen(async (books) => {
      const answers: Answer[] = [];
      for (const operation of HISTORY) answers.push(...(await books.apply([operation])));
      return answers;
    });
    expect(together).toEqual(apart);
    expect(together).toMatchObject({ answers: HISTORY.map(() => ({ status: "ok" })) });
  });

  it("is not held up by one whose model is longer than a name can be", async () => {
    const books = await ledger.open();
    await priceFrom(books, "list", BOOK);
    const call = (model: string): Operation => meter("p", { ...UNKNOWN, input_tokens: 1_000 }, of(model));
    const answers = await books.apply([openPool("p"), call("big"), call("x".repeat(200_000)), call("tiered")]);
    expect(answers.map(({ status, code }) => code ?? status)).toEqual(["ok", "ok", "LG001", "ok"]);
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "0.004" });
  }, 10_000);
});
