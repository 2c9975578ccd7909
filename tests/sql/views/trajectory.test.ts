import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books, Operation, Row } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

async function trajectory(books: Books, runId: string): Promise<Record<string, Row>> {
  const rows = await books.rows("select * from ledger.trajectory where tenant_id = $1 and run_id = $2", runId);
  return Object.fromEntries(rows.map((row) => [String(row.node_id), row]));
}

/** `[own, rolled up]` of tokens and dollars. */
const spent = (row: Row | undefined): unknown[] => [
  [row?.own_charged_tokens, row?.own_usd],
  [row?.rolled_up_charged_tokens, row?.rolled_up_usd],
];

describe("trajectory", () => {
  it("has one row per node of the run with its place in the tree", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top"),
      openRun("r", {}, { parent_pool_id: "top", run: { label: "the run" } }),
      spawnDriver("r", "d", {}, { runtime: "node" }),
      spawn("d", "a"),
      settle("a"),
      spawn("r", "b"),
      openPool("part", {}, { parent_pool_id: "r" }),
      spawn("part", "c"),
      openRun("other", {}, { parent_pool_id: "top" }),
    );
    const rows = await books.rows(
      "select node_id, parent_node_id, depth, path, label, runtime, status from ledger.trajectory where tenant_id = $1 and run_id = 'r' order by path",
    );
    const row = (path: string[], label: string, status: string, runtime: string | null = null) => ({
      node_id: path.at(-1),
      parent_node_id: path.at(-2) ?? "top",
      depth: path.length - 1,
      path,
      label,
      runtime,
      status,
    });
    expect(rows).toEqual([
      row(["r"], "the run", "pending"),
      row(["r", "b"], "b", "pending"),
      row(["r", "d"], "d", "pending", "node"),
      row(["r", "d", "a"], "a", "done"),
      row(["r", "part"], "part", "pending"),
      row(["r", "part", "c"], "c", "pending"),
    ]);
    expect(Object.keys(await trajectory(books, "other"))).toEqual(["other"]);
  });

  it("counts every token once: own where it was spent, rolled up above", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top", { usd: "50" }),
      openRun("r", { tokens: 100_000 }, { parent_pool_id: "top" }),
      meter("r", { input_tokens: 1, usd: "1" }),
      spawnDriver("r", "d", { tokens: 10_000 }),
      meter("d", { input_tokens: 20, usd: "2" }),
      spawnDriver("d", "dd", { tokens: 1000 }),
      meter("dd", { input_tokens: 300, usd: "4" }),
      spawn("dd", "a", { tokens: 50 }),
      settle("a", { output_tokens: 4000, usd: "8" }),
      spawn("d", "b", { tokens: 50 }),
      spawn("r", "c", { tokens: 50 }),
      settle("c", { output_tokens: 50_000, usd: "16" }),
    );
    const expected = {
      r: [
        ["1", "1"],
        ["54321", "31"],
      ],
      d: [
        ["20", "2"],
        ["4320", "14"],
      ],
      dd: [
        ["300", "4"],
        ["4300", "12"],
      ],
      a: [
        ["4000", "8"],
        ["4000", "8"],
      ],
      b: [
        ["0", "0"],
        ["0", "0"],
      ],
      c: [
        ["50000", "16"],
        ["50000", "16"],
      ],
    };
    const seen = async () =>
      Object.fromEntries(Object.entries(await trajectory(books, "r")).map(([id, row]) => [id, spent(row)]));
    expect(await seen()).toEqual(expected);
    await books.ok(
      settleDriver("dd"),
      { op: "cancel", node_id: "b", reason: "r" },
      settleDriver("d"),
      settleDriver("r"),
    );
    expect(await seen()).toEqual(expected);
  });

  it("gives a correction to the node it is of, and late spend to its driver", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 100, usd: "9" }),
      spawnDriver("r", "d", { tokens: 50 }),
      meter("d", { input_tokens: 10 }, { operation_id: "turn" }),
      spawn("d", "a", { tokens: 5 }),
      settle("a", { input_tokens: 5 }, { operation_id: "end" }),
      settleDriver("d"),
      correct("turn", { input_tokens: 7 }),
      correct("end", { input_tokens: 6 }),
      meter("d", { input_tokens: 2, usd: "0.5" }),
    );
    const rows = await trajectory(books, "r");
    expect(spent(rows.d)).toEqual([
      ["9", "0.5"],
      ["15", "0.5"],
    ]);
    expect(spent(rows.a)).toEqual([
      ["6", "0"],
      ["6", "0"],
    ]);
    expect(spent(rows.r)).toEqual([
      ["0", "0"],
      ["15", "0.5"],
    ]);
  });

  it("rolls up what is unknown and uncertain, and says so all the way to the root", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 100 }),
      spawnDriver("r", "d", { tokens: 50 }),
      spawn("d", "a", { tokens: 20, iterations: 2 }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "a" },
      spawn("r", "b", { tokens: 1 }),
      settle("b"),
    );
    await sleep(5);
    await books.ok({ op: "expire" });
    const flags = (row: Row | undefined) => [
      row?.rolled_up_tokens_known,
      row?.rolled_up_usd_known,
      row?.rolled_up_uncertain_tokens,
    ];
    const before = await trajectory(books, "r");
    for (const id of ["r", "d", "a"]) expect(flags(before[id]), id).toEqual([false, false, "20"]);
    expect(flags(before.b)).toEqual([true, true, "0"]);
    expect(before.d).toMatchObject({ own_uncertain_tokens: "0", rolled_up_uncertain_iterations: "2" });
    await books.ok(settle("a", { input_tokens: 3 }));
    const after = await trajectory(books, "r");
    for (const id of ["r", "d", "a"]) expect(flags(after[id]), id).toEqual([true, true, "0"]);
  });

  it("adds up to the breakdown of every run of a long history, node by node", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const differing = await books.rows(`
      select t.run_id
      from ledger.trajectory t
      join ledger.spent_breakdown b on b.tenant_id = t.tenant_id and b.run_id = t.run_id and b.source = 'total'
      where t.tenant_id = $1
      group by t.run_id, b.*, b.charged_tokens, b.usd, b.iterations, b.input_tokens, b.ms
      having sum(t.own_charged_tokens) <> b.charged_tokens or sum(t.own_usd) <> b.usd or sum(t.own_iterations) <> b.iterations
        or sum(t.own_input_tokens) <> b.input_tokens or sum(t.own_ms) <> b.ms
        or max(t.rolled_up_charged_tokens) filter (where t.depth = 0) <> b.charged_tokens
        or max(t.rolled_up_usd) filter (where t.depth = 0) <> b.usd`);
    expect(differing).toEqual([]);
    const runs = await books.rows("select distinct run_id from ledger.trajectory where tenant_id = $1 order by 1");
    expect(runs).toEqual([{ run_id: "run-a" }, { run_id: "run-b" }, { run_id: "run-c" }]);
  });

  it("keeps many siblings and many levels apart", async () => {
    const books = await ledger.open();
    await books.ok(openRun("r", {}));
    for (let level = 0; level < 12; level += 1) {
      const parent = level === 0 ? "r" : `d${level - 1}`;
      await books.apply([
        spawnDriver(parent, `d${level}`),
        ...Array.from({ length: 30 }, (_, n) => spawn(parent, `l${level}.${n}`)),
        ...Array.from({ length: 30 }, (_, n) => settle(`l${level}.${n}`, { input_tokens: 1 })),
      ]);
    }
    const rows = await trajectory(books, "r");
    expect(Object.keys(rows)).toHaveLength(1 + 12 * 31);
    expect(rows.r?.rolled_up_charged_tokens).toBe("360");
    expect(rows.d0?.rolled_up_charged_tokens).toBe("330");
    expect(rows.d10?.rolled_up_charged_tokens).toBe("30");
    expect(rows.d11?.rolled_up_charged_tokens).toBe("0");
  });

  it("keeps hundreds of sibling drivers apart, and lines of only children below them", async () => {
    const books = await ledger.open();
    await books.ok(openRun("r", {}));
    const operations: Operation[] = [];
    const own = new Map([["r", 0]]);
    const above = new Map<string, string>();
    const grow = (parent: string, id: string): string => {
      operations.push(spawnDriver(parent, id), meter(id, { input_tokens: own.size }));
      above.set(id, parent);
      own.set(id, own.size);
      return id;
    };
    for (let n = 0; n < 260; n += 1) {
      const only = grow("r", `a${n}`);
      if (n % 20 === 7)
        for (const half of ["l", "r"]) grow(grow(grow(only, `b${n}`.concat(half)), `c${n}${half}`), `d${n}${half}`);
      if (n % 50 === 3) grow(grow(grow(only, `e${n}`), `f${n}`), `g${n}`);
    }
    const answers = await books.apply(operations);
    expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
    const expected = new Map(own);
    for (const [id, tokens] of own) {
      for (let up = above.get(id); up !== undefined; up = above.get(up))
        expected.set(up, (expected.get(up) ?? 0) + tokens);
    }
    const rows = await trajectory(books, "r");
    const found = Object.entries(rows).map(([id, row]) => [id, Number(row.rolled_up_input_tokens)]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });
});
