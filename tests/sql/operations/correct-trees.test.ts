/** Corrections that travel: through closed pools, to payers above, and behind what they correct in one call. */
import { describe, expect, it } from "vitest";
import { type Books, WAYS } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

/** tenant -> project -> run -> driver: the project caps dollars, run and driver do not. */
async function openTree(books: Books): Promise<void> {
  await books.ok(
    openPool("tenant", { tokens: 1000, iterations: 100, usd: "50", gpu: 20 }),
    openPool("project", { tokens: 500, iterations: 50, usd: "10" }, { parent_pool_id: "tenant" }),
    openRun("run", { tokens: 200, iterations: 20 }, { parent_pool_id: "project" }),
    spawnDriver("run", "driver", { tokens: 100, iterations: 10 }),
    meter("driver", { input_tokens: 10, usd: "1", resources: { gpu: { amount: 2 } } }, { operation_id: "turn" }),
    spawn("driver", "leaf", { tokens: 50, iterations: 1 }),
    settle("leaf", { iterations: 1, input_tokens: 20, usd: "2" }, { operation_id: "leaf-ends" }),
  );
}

/** `[free, reserved, committed]` of tokens and of dollars, from the top down. */
async function balances(books: Books): Promise<Record<string, unknown[]>> {
  const found: Record<string, unknown[]> = {};
  for (const id of ["tenant", "project", "run", "driver"]) {
    found[id] = [...(await books.balance(id, "tokens")), ...(await books.balance(id, "usd"))];
  }
  return found;
}

describe.each(WAYS)("a correction in a tree %s", (way) => {
  it("stays where the pool is open, but for who pays", async () => {
    const books = await ledger.open(way);
    await openTree(books);
    await books.ok(correct("turn", { input_tokens: 15, usd: "1.5", resources: { gpu: { amount: 1 } } }));
    expect(await balances(books)).toEqual({
      tenant: ["500", "500", "0", "40", "10", "0"],
      project: ["300", "200", "0", "6.5", "0", "3.5"],
      run: ["100", "100", "0", null, "0", "0"],
      driver: ["65", "0", "35", null, "0", "3.5"],
    });
    expect(await books.balance("tenant", "gpu")).toEqual(["19", "0", "1"]);
  });

  it("goes through two closed pools up to the first open one", async () => {
    const books = await ledger.open(way);
    await openTree(books);
    await books.ok(settleDriver("driver"), settleDriver("run"));
    expect(await balances(books)).toEqual({
      tenant: ["500", "500", "0", "40", "10", "0"],
      project: ["470", "0", "30", "7", "0", "3"],
      run: ["0", "0", "30", null, "0", "3"],
      driver: ["0", "0", "30", null, "0", "3"],
    });
    await books.ok(correct("leaf-ends", { iterations: 1, input_tokens: 5, usd: "2.5" }, { operation_id: "c" }));
    expect(await balances(books)).toEqual({
      tenant: ["500", "500", "0", "40", "10", "0"],
      project: ["485", "0", "15", "6.5", "0", "3.5"],
      run: ["0", "0", "15", null, "0", "3.5"],
      driver: ["0", "0", "15", null, "0", "3.5"],
    });
    const rows = await books.rows(
      `select pool_id, kind, node_id, source_pool_id, charged_tokens, usd from ledger.journal
       where tenant_id = $1 and operation_id = 'c' order by pool_id collate "C", seq`,
    );
    const difference = { charged_tokens: "-15", usd: "0.5" };
    expect(rows).toEqual([
      { pool_id: "driver", kind: "corrected", node_id: "leaf", source_pool_id: null, ...difference },
      { pool_id: "project", kind: "drawn", node_id: "leaf", source_pool_id: "driver", charged_tokens: null, usd: null },
      { pool_id: "project", kind: "corrected", node_id: "run", source_pool_id: "run", ...difference },
      { pool_id: "run", kind: "corrected", node_id: "driver", source_pool_id: "driver", ...difference },
    ]);
  });

  it("goes through all pools once all are closed, and the top keeps its total", async () => {
    const books = await ledger.open(way);
    await openTree(books);
    await books.ok(settleDriver("driver"), settleDriver("run"), settleDriver("project"), settleDriver("tenant"));
    await books.ok(correct("turn", { input_tokens: 20, usd: "1", resources: { gpu: { amount: 5 } } }));
    expect(await balances(books)).toEqual({
      tenant: ["960", "0", "40", "47", "0", "3"],
      project: ["0", "0", "40", "0", "0", "3"],
      run: ["0", "0", "40", null, "0", "3"],
      driver: ["0", "0", "40", null, "0", "3"],
    });
    expect(await books.channel("tenant", "tokens")).toMatchObject({ total: "1000" });
    expect(await books.balance("tenant", "gpu")).toEqual(["15", "0", "5"]);
    expect(await books.channel("project", "gpu")).toMatchObject({ committed: "5" });
    const total = "select charged_tokens, usd from ledger.spent_breakdown where tenant_id = $1 and source = 'total'";
    expect(await books.rows(total)).toEqual([{ charged_tokens: "40", usd: "3" }]);
  });

  it("changes what the driver's own settlement says only by rows of its own", async () => {
    const books = await ledger.open(way);
    await openTree(books);
    await books.ok(settleDriver("driver"));
    const before = await books.journal("run");
    await books.ok(correct("leaf-ends", { iterations: 1, input_tokens: 21, usd: "2" }));
    expect((await books.journal("run")).slice(0, before.length)).toEqual(before);
    expect((await books.journal("run")).at(-1)).toMatchObject({
      kind: "corrected",
      node_id: "driver",
      charged_tokens: "1",
    });
  });

  it("leaves a sealed driver that closes committed whole, and frees the rest once the truth is known", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("run", { tokens: 100, usd: "10" }),
      spawnDriver("run", "driver", { tokens: 50, usd: "4" }),
      meter("driver", { usd: "1" }),
      meter("driver", { usd_known: false }, { operation_id: "unknown" }),
    );
    const answer = await books.ok({ op: "close_pool", pool_id: "driver" });
    expect(answer).toEqual({ pool_id: "run", seq: 3, returned: { tokens: "50" } });
    expect(await books.channel("run", "usd")).toMatchObject({
      free: "6",
      committed: "4",
      uncertain: "3",
      sealed: false,
      measured: false,
    });
    await books.ok(spawn("run", "more", { tokens: 1, usd: "6" }));
    await books.ok(correct("unknown", { usd: "0.5" }));
    expect(await books.channel("driver", "usd")).toMatchObject({
      total: "1.5",
      free: "0",
      committed: "1.5",
      uncertain: "0",
      sealed: false,
    });
    expect(await books.channel("run", "usd")).toMatchObject({
      free: "2.5",
      reserved: "6",
      committed: "1.5",
      uncertain: "0",
      measured: true,
    });
  });

  it("lets late known spend eat the remainder of a sealed closed pool first", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("top", { usd: "10" }),
      spawnDriver("top", "driver", { usd: "4" }),
      meter("driver", { usd_known: false }, { operation_id: "unknown" }),
      settleDriver("driver"),
      meter("driver", { usd: "3" }),
    );
    expect(await books.channel("driver", "usd")).toMatchObject({
      total: "4",
      free: "0",
      committed: "4",
      uncertain: "1",
      sealed: true,
    });
    expect(await books.channel("top", "usd")).toMatchObject({ free: "6", committed: "4", uncertain: "1" });
    await books.ok(meter("driver", { usd: "2" }));
    expect(await books.channel("driver", "usd")).toMatchObject({
      total: "5",
      free: "0",
      committed: "5",
      uncertain: "0",
      sealed: true,
    });
    expect(await books.channel("top", "usd")).toMatchObject({
      free: "5",
      committed: "5",
      uncertain: "0",
      measured: false,
    });
    await books.ok(correct("unknown", { usd: "0" }));
    expect(await books.channel("top", "usd")).toMatchObject({ free: "5", committed: "5", measured: true });
  });
});

describe("a correction behind what it corrects, in one call", () => {
  it.each([
    ["a turn", [meter("p", { input_tokens: 10 }, { operation_id: "of" })]],
    ["a leaf's end", [spawn("p", "a", { tokens: 20 }), settle("a", { input_tokens: 10 }, { operation_id: "of" })]],
    [
      "a turn with others before and after it",
      [
        meter("p"),
        meter("p", { input_tokens: 10 }, { operation_id: "of" }),
        meter("p"),
        spawn("p", "b", { tokens: 1 }),
      ],
    ],
  ])("finds %s", async (_what, before) => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 100 }));
    const answers = await books.apply([
      ...before,
      correct("of", { input_tokens: 4 }),
      correct("of", { input_tokens: 7 }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => "ok"));
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "7" });
  });

  it("does not find what comes after it, nor what failed before it", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 100 }));
    const turn = meter("p", { input_tokens: 10 }, { operation_id: "of" });
    const answers = await books.apply([
      correct("of"),
      turn,
      settle("nobody", {}, { operation_id: "no" }),
      correct("no"),
      correct("of", { input_tokens: 1 }),
    ]);
    expect(answers.map(({ status, code, result }) => [status, code, result.path])).toEqual([
      ["error", "LG001", "of"],
      ["ok", null, undefined],
      ["error", "LG003", "node_id"],
      ["error", "LG001", "of"],
      ["ok", null, undefined],
    ]);
    expect(await books.balance("p", "tokens")).toEqual(["99", "0", "1"]);
  });
});
