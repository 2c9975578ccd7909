/** Calls that were announced, and of which nobody said what they cost. */
import { expect, it } from "vitest";
import type { Books, Row } from "../books.js";
import { meter, openPool, openRun, settleDriver, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const announce = (poolId: string, meterId: string, more = {}) => ({
  op: "dispatch",
  pool_id: poolId,
  meter_id: meterId,
  ...more,
});

const inDoubt = (books: Books, runId: string): Promise<Row[]> =>
  books.rows("select * from ledger.calls_in_doubt where tenant_id = $1 and run_id = $2 order by pool_id, seq", runId);

it("shows what was announced at any depth until it is metered in that pool, also late", async () => {
  const books = await ledger.open();
  await books.ok(
    openPool("p"),
    openRun("r", {}, { parent_pool_id: "p" }),
    openRun("other"),
    spawnDriver("r", "d"),
    spawnDriver("d", "e"),
  );
  const said = { turn: 0, provider: "acme", model: "m", purpose: "turn", detail: 5 };
  await books.ok(
    announce("r", "r-0"),
    announce("e", "e-0", said),
    announce("e", "e-1"),
    announce("other", "other-0"),
    announce("p", "p-0"),
  );
  const [first, ...rest] = await inDoubt(books, "r");
  const written = (await books.journal("e"))[1];
  expect(first).toEqual({
    tenant_id: books.tenantId,
    run_id: "r",
    pool_id: "e",
    seq: "2",
    meter_id: "e-0",
    ...said,
    dispatched_at: written?.recorded_at,
  });
  expect(rest).toMatchObject([
    { pool_id: "e", seq: "3", meter_id: "e-1", turn: null, purpose: null, provider: null, model: null, detail: null },
    { pool_id: "r", meter_id: "r-0" },
  ]);
  // Metered in another pool, it is another call.
  await books.ok(meter("d", {}, { operation_id: "e-1" }), meter("e", { tokens_known: false }, { operation_id: "e-0" }));
  expect((await inDoubt(books, "r")).map(({ meter_id }) => meter_id)).toEqual(["e-1", "r-0"]);
  await books.ok(settleDriver("e"), settleDriver("d"), settleDriver("r"), meter("r", {}, { operation_id: "r-0" }));
  expect((await inDoubt(books, "r")).map(({ meter_id }) => meter_id)).toEqual(["e-1"]);
  expect(await inDoubt(books, "other")).toHaveLength(1);
  expect(await inDoubt(books, "p")).toEqual([]);
});

it("shows one call once, as it was announced first, and not again once it was metered", async () => {
  const books = await ledger.open();
  await books.ok(openRun("r"), announce("r", "m", { turn: 1 }), announce("r", "m", { turn: 2 }));
  expect(await inDoubt(books, "r")).toMatchObject([{ seq: "2", turn: 1 }]);
  await books.ok(meter("r", {}, { operation_id: "m" }), announce("r", "m"));
  expect(await inDoubt(books, "r")).toEqual([]);
});
