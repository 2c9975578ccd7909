/** Calls of a driver's own, announced before they can be billed. */
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool, openRun, settleDriver, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const announce = (poolId: string, meterId: string, more = {}) => ({
  op: "dispatch",
  pool_id: poolId,
  meter_id: meterId,
  ...more,
});

describe.each(WAYS)("dispatch of a call %s", (way) => {
  it("writes a row of the node that owns the pool, and moves nothing", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 10, usd: "1" }, { tags: { team: "search" } }),
      spawnDriver("r", "d", { tokens: 5 }),
    );
    const said = { turn: 3, provider: "acme", model: "large", purpose: "compaction", detail: { max_usd: "0.5" } };
    expect(await books.ok({ ...announce("d", "m", said), tags: { try: "1" } })).toEqual({ pool_id: "d", seq: 2 });
    expect((await books.journal("d")).at(-1)).toMatchObject({
      kind: "dispatched",
      run_id: "r",
      node_id: "d",
      turn: 3,
      provider: "acme",
      model: "large",
      purpose: "compaction",
      detail: { meter_id: "m", detail: { max_usd: "0.5" } },
      tags: { team: "search", try: "1" },
      iterations: null,
    });
    expect(await books.balance("d", "tokens")).toEqual(["5", "0", "0"]);
    expect(await books.node("d")).toMatchObject({ status: "pending", dispatched_at: null });
    await books.ok(announce("r", "bare"));
    expect((await books.journal("r")).at(-1)).toMatchObject({ turn: null, detail: { meter_id: "bare" } });
  });

  it("is repeated by its operation id, and announces again under another", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"));
    const first = announce("p", "m", { operation_id: "a" });
    await books.ok(first);
    expect(await books.do(first)).toMatchObject({ status: "replayed", result: { seq: 2 } });
    expect(await books.failed("LG005", announce("p", "n", { operation_id: "a" }))).toBe("operation_id");
    expect(await books.ok(announce("p", "m"))).toMatchObject({ seq: 3 });
    await books.ok(meter("p", {}, { operation_id: "m" }));
    expect(await books.ok(announce("p", "m"))).toMatchObject({ seq: 5 });
  });

  it("is taken in a frozen pool, whose turns go on, and refused by a closed one", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r"), { op: "freeze", pool_id: "r" }, announce("r", "m"), settleDriver("r"));
    expect(await books.refused("pool-closed", announce("r", "n"))).toEqual({ pool_id: "r", seq: null });
    // What was made all the same is metered, late.
    await books.ok(meter("r", { input_tokens: 1 }, { operation_id: "m" }));
  });

  it("names a hold or a pool, and what belongs to it", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"));
    expect(await books.failed("LG002", announce("nowhere", "m"))).toBe("pool_id");
    const { meter_id, ...silent } = announce("p", "m");
    expect(await books.failed("LG001", silent)).toBe("meter_id");
    expect(await books.failed("LG001", { op: "dispatch" })).toBe("node_id");
    expect(await books.failed("LG001", { op: "dispatch", meter_id })).toBe("node_id");
    expect(await books.failed("LG001", announce("p", "m", { node_id: "a" }))).toBe("node_id");
    expect(await books.failed("LG001", { op: "dispatch", node_id: "a", meter_id })).toBe("meter_id");
    expect(await books.failed("LG001", announce("p", "same", { operation_id: "same" }))).toBe("meter_id");
    expect(await books.failed("LG001", announce("p", "m", { purpose: "fun" }))).toBe("purpose");
    expect(await books.failed("LG001", announce("p", "m", { spend: {} }))).toBe("spend");
    expect(await books.failed("LG001", { op: "call", pool_id: "p", meter_id })).toBe("op");
    expect(await books.kinds("p")).toEqual(["opened"]);
  });
});

it("stands in a batch between what is folded", async () => {
  const books = await ledger.open();
  const turn = (id: string) => meter("p", { input_tokens: 1 }, { operation_id: id });
  const answers = await books.apply([
    openPool("p", { tokens: 10 }),
    turn("a"),
    turn("b"),
    announce("p", "c"),
    turn("c"),
    turn("d"),
  ]);
  expect(answers.map(({ status, result }) => [status, result.seq])).toEqual(
    [1, 2, 3, 4, 5, 6].map((seq) => ["ok", seq]),
  );
  expect(await books.balance("p", "tokens")).toEqual(["6", "0", "4"]);
});
