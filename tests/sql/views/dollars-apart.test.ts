/** Receipts, estimates and unknown dollars, told apart by spent_breakdown and usage_daily alike: capped, uncapped, drawn, corrected. */
import { describe, expect, it } from "vitest";
import type { Books, Operation } from "../books.js";
import { correct, meter, openPool, openRun, settle, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";
import { price, priceFrom } from "../prices.js";

const ledger = useLedger();
const COLUMNS = "trim_scale(sum(receipt_usd)) as r, trim_scale(sum(estimated_usd)) as e, sum(unknown_usd_events) as u";

/** `[receipt_usd, estimated_usd, unknown_usd_events]`, which both views must agree on. */
async function apart(books: Books): Promise<unknown[]> {
  const daily = await books.row(`select ${COLUMNS} from ledger.usage_daily where tenant_id = $1`);
  const total = `select ${COLUMNS} from ledger.spent_breakdown where tenant_id = $1 and source`;
  expect(await books.row(`${total} = 'total'`)).toEqual(daily);
  expect(await books.row(`${total} <> 'total'`)).toEqual(daily);
  return [daily.r, daily.e, daily.u];
}

const UNKNOWN = { usd_known: false };
const id = (operation_id: string): Operation => ({ operation_id });

const POOLS: readonly [string, readonly Operation[]][] = [
  ["a capped pool", [openRun("r", { tokens: 1_000, usd: "100" })]],
  ["a capped pool that flags", [openRun("r", { tokens: 1_000, usd: "100" }, { unknown_usd: "flag" })]],
  ["an uncapped pool", [openRun("r", { tokens: 1_000 })]],
  [
    "a pool that another pays for",
    [openPool("top", { tokens: 9_000, usd: "100" }), openRun("r", { tokens: 1_000 }, { parent_pool_id: "top" })],
  ],
];

describe.each(POOLS)("in %s", (_name, open) => {
  it("each dollar is a receipt or an estimate, and what nobody knows is counted", async () => {
    const books = await ledger.open();
    await books.ok(...open, meter("r", { usd: "1.5" }), spawn("r", "leaf", { tokens: 10 }));
    expect(await apart(books)).toEqual(["1.5", "0", "0"]);
    await books.ok(meter("r", { usd: "0.25", ...UNKNOWN }, id("estimate")));
    expect(await apart(books)).toEqual(["1.5", "0.25", "0"]);
    await books.ok(meter("r", UNKNOWN, { ...id("unknown"), model: "m" }), settle("leaf", UNKNOWN, id("end")));
    expect(await apart(books)).toEqual(["1.5", "0.25", "2"]);
    await books.ok(correct("unknown", { usd: "2" }), correct("estimate", { usd: "0.5" }));
    expect(await apart(books)).toEqual(["4", "0", "1"]);
    await books.ok(correct("end", { usd: "3", ...UNKNOWN }));
    expect(await apart(books)).toEqual(["4", "3", "0"]);
    await books.ok(correct("unknown", UNKNOWN));
    expect(await apart(books)).toEqual(["2", "3", "1"]);
  });

  it("a price is an estimate, a free model a receipt of 0", async () => {
    const books = await ledger.open();
    await priceFrom(books, "b", [price("m", "input", "1000"), price("free", "input", "0")]);
    const of = (model: string, more: Operation = {}): Operation => ({ provider: "acme", model, ...more });
    await books.ok(
      ...open,
      meter("r", { ...UNKNOWN, input_tokens: 3 }, of("m")),
      meter("r", { ...UNKNOWN, input_tokens: 3 }, of("free")),
      meter("r", { ...UNKNOWN, input_tokens: 3 }, of("stranger", id("later"))),
      meter(
        "r",
        { ...UNKNOWN, input_tokens: 4 },
        {
          provider: "acme",
          lines: [
            { ...UNKNOWN, model: "m", input_tokens: 2 },
            { ...UNKNOWN, model: "stranger", input_tokens: 2 },
          ],
          ...id("lines"),
        },
      ),
    );
    const daily = await books.rows(
      `select model, receipt_usd as r, estimated_usd as e, unknown_usd_events as u from ledger.usage_daily
       where tenant_id = $1 order by model`,
    );
    expect(daily).toEqual([
      { model: "free", r: "0", e: "0", u: "0" },
      { model: "m", r: "0", e: "0.003", u: "1" },
      { model: "stranger", r: "0", e: "0", u: "2" },
    ]);
    await books.ok(correct("lines", { usd: "1", input_tokens: 4 }), correct("later", { usd: "1", input_tokens: 3 }));
    expect(await apart(books)).toEqual(["2", "0.003", "0"]);
  });
});

describe("a driver below", () => {
  it("counts once, and a ceiling charged for silence is an estimate", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 1_000, usd: "100" }),
      spawnDriver("r", "driver", { tokens: 100, usd: "10" }),
      spawn("driver", "silent", { tokens: 10, usd: "2" }),
      { op: "dispatch", node_id: "silent" },
      { op: "cancel", node_id: "silent", reason: "gone" },
      meter("driver", UNKNOWN),
      { op: "settle", node_id: "driver", outcome: "done" },
    );
    expect(await apart(books)).toEqual(["0", "2", "1"]);
  });
});
