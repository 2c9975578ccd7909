/** One row per tool call: which sighting it is, and what became of it. */
import { describe, expect, it } from "vitest";
import type { Books, Operation, Row } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const digest = (byte: string): string => `sha256:${byte.repeat(32)}`;
const call = (name: string, id?: string, more: Operation = {}): Operation => ({ name, ...(id && { id }), ...more });
const result = (id: string, status: string): Operation => ({ id, status });

/** A turn of the pool `p` with these tools. */
const turn = (calls: readonly unknown[], results: readonly Operation[] = [], more: Operation = {}): Operation =>
  meter("p", {}, { tool_calls: calls, ...(results.length > 0 && { tool_results: results }), ...more });

/** `[seq, position, tool, call_id, status]` of every call. */
async function calls(books: Books): Promise<unknown[][]> {
  const rows = await books.rows("select * from ledger.tool_calls where tenant_id = $1 order by pool_id, seq, position");
  return rows.map(({ seq, position, tool, call_id, status }) => [Number(seq), position, tool, call_id, status]);
}

async function open(...operations: readonly Operation[]): Promise<Books> {
  const books = await ledger.open();
  await books.ok(openPool("p"), ...operations);
  return books;
}

describe("tool_calls", () => {
  it("shows what is known of each call, by name or more, in a run and outside any", async () => {
    const books = await ledger.open();
    const effective_at = "2026-02-03T04:05:06Z";
    const edit = call("edit", "1", { arguments: digest("0a"), status: "error" });
    await books.ok(
      openRun("r"),
      openPool("q"),
      meter("r", {}, { tool_calls: ["read", edit], model: "large", purpose: "turn", effective_at }),
      spawn("r", "a"),
      settle("a", {}, { tool_calls: [call("run")], model: "small", effective_at }),
      meter("q", {}, { tool_calls: ["read"], effective_at }),
      meter("q", {}, { tool_calls: [] }),
      meter("q"),
    );
    const [tenant_id, at] = [books.tenantId, new Date(effective_at)];
    const unknown = { call_id: null, arguments: null, status: null, purpose: null, model: null };
    const inRun: Row = { tenant_id, run_id: "r", pool_id: "r", effective_at: at };
    expect(
      await books.rows("select * from ledger.tool_calls where tenant_id = $1 order by pool_id, seq, position"),
    ).toEqual([
      {
        tenant_id,
        run_id: null,
        pool_id: "q",
        node_id: "q",
        seq: "2",
        position: 0,
        tool: "read",
        ...unknown,
        effective_at: at,
      },
      { ...inRun, node_id: "r", seq: "2", position: 0, ...unknown, tool: "read", purpose: "turn", model: "large" },
      {
        ...{ ...inRun, node_id: "r", seq: "2", position: 1, tool: "edit", purpose: "turn", model: "large" },
        ...{ call_id: "1", arguments: digest("0a"), status: "error" },
      },
      { ...inRun, node_id: "a", seq: "4", position: 0, ...unknown, tool: "run", model: "small" },
    ]);
  });

  it("takes an id once in a pool, from its first sighting, and every call without one", async () => {
    const books = await open(
      turn(["read", call("edit", "1"), call("edit", "1"), call("read")]),
      turn(["read", call("other", "1", { arguments: digest("0b") }), call("edit", "2")]),
      openPool("q"),
      meter("q", {}, { tool_calls: [call("edit", "1")] }),
    );
    expect(await calls(books)).toEqual([
      [2, 0, "read", null, null],
      [2, 1, "edit", "1", null],
      [2, 3, "read", null, null],
      [3, 0, "read", null, null],
      [3, 2, "edit", "2", null],
      [2, 0, "edit", "1", null],
    ]);
    expect(await books.rows("select arguments from ledger.tool_calls where tenant_id = $1 and call_id = '1'")).toEqual([
      { arguments: null },
      { arguments: null },
    ]);
  });

  it.each<[string, readonly Operation[], string | null]>([
    ["nobody tells", [turn([call("t", "1")]), turn([], [result("2", "ok")])], null],
    ["the call itself tells", [turn([call("t", "1", { status: "ok" })])], "ok"],
    ["a later result tells", [turn([call("t", "1")]), turn(["x"], [result("0", "ok"), result("1", "error")])], "error"],
    ["a result booked earlier tells", [turn([], [result("1", "error")]), turn([call("t", "1")])], "error"],
    [
      "the first result counts",
      [turn([call("t", "1")]), turn([], [result("1", "ok")]), turn([], [result("1", "error")])],
      "ok",
    ],
    ["of one event the first", [turn([call("t", "1")]), turn([], [result("1", "error"), result("1", "ok")])], "error"],
    ["a later sighting tells", [turn([call("t", "1")]), turn([call("t", "1", { status: "error" })])], "error"],
    [
      "of one event its calls before its results",
      [turn([call("t", "1", { status: "ok" })], [result("1", "error")])],
      "ok",
    ],
    [
      "a result before a later sighting",
      [turn([call("t", "1")], [result("1", "error")]), turn([call("t", "1", { status: "ok" })])],
      "error",
    ],
    [
      "results only of its pool",
      [turn([call("t", "1")]), openPool("q"), meter("q", {}, { tool_results: [result("1", "ok")] })],
      null,
    ],
  ])("knows a status where %s", async (_what, operations, status) => {
    const books = await open(...operations);
    expect((await calls(books)).find(([, , , id]) => id === "1")?.[4]).toBe(status);
  });

  it("hears of results from leaves that end, in whatever order they do", async () => {
    const books = await open(
      ...["a", "b", "c"].map((id) => spawn("p", id)),
      settle("b", {}, { tool_results: [result("1", "ok")], tool_calls: [call("t", "2")] }),
      settle("a", {}, { outcome: "down", tool_calls: [call("t", "1")] }),
      { op: "cancel", node_id: "c", reason: "r", tool_results: [result("2", "error")], tool_calls: [call("t", "3")] },
    );
    expect(await calls(books)).toEqual([
      [5, 0, "t", "2", "error"],
      [6, 0, "t", "1", "ok"],
      [7, 0, "t", "3", null],
    ]);
    const nodes = await books.rows("select node_id from ledger.tool_calls where tenant_id = $1 order by seq");
    expect(nodes.map(({ node_id }) => node_id)).toEqual(["b", "a", "c"]);
  });

  it("takes what a correction or a late settlement adds where it adds it, once", async () => {
    const books = await open(
      spawn("p", "a", {}, { lease_ms: 1 }),
      { op: "dispatch", node_id: "a" },
      turn([call("t", "1")], [], { operation_id: "m", model: "large", provider: "acme" }),
    );
    await expect.poll(async () => (await books.node("a")).lapsed).toBe(true);
    await books.ok(
      { op: "expire", pool_id: "p" },
      settle("a", {}, { tool_calls: ["late", call("t", "2")], tool_results: [result("1", "ok")], operation_id: "s" }),
      correct("m", {}, { tool_calls: [call("t", "1", { status: "error" }), "more"] }),
      correct("s", {}, { tool_calls: [call("t", "3")] }),
    );
    expect(await calls(books)).toEqual([
      [4, 0, "t", "1", "ok"],
      [6, 0, "late", null, null],
      [6, 1, "t", "2", null],
      [7, 1, "more", null, null],
      [8, 0, "t", "3", null],
    ]);
    const rows = await books.rows(
      "select node_id, model from ledger.tool_calls where tenant_id = $1 order by seq, position",
    );
    expect(rows.map(({ node_id, model }) => [node_id, model])).toEqual([
      ["p", "large"],
      ["a", null],
      ["a", null],
      ["p", "large"],
      ["a", null],
    ]);
  });

  it("shows calls of a driver's pool there, and nothing of what they cause above", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 100 }),
      spawnDriver("r", "d", { tokens: 50 }),
      meter("d", { input_tokens: 5 }, { tool_calls: [call("t", "1")], operation_id: "m" }),
      settleDriver("d"),
      meter("d", { input_tokens: 5 }, { tool_calls: ["late"], tool_results: [result("1", "ok")] }),
      correct("m", { input_tokens: 6 }, { tool_calls: ["more"] }),
    );
    const rows = await books.rows("select * from ledger.tool_calls where tenant_id = $1 and run_id = 'r' order by seq");
    expect(rows.map(({ pool_id, tool, status }) => [pool_id, tool, status])).toEqual([
      ["d", "t", "ok"],
      ["d", "late", null],
      ["d", "more", null],
    ]);
  });

  it("takes no offence at what stands in the detail", async () => {
    const books = await open(turn([call("t", "1"), call("t", "9")]));
    const known = [
      [2, 0, "t", "1", "ok"],
      [2, 1, "t", "9", null],
    ];
    const deep = { detail: { tool_results: [result("9", "ok")] } };
    const forms = ["text", 1, false, [], [{ tool_results: [1] }], {}, { tool_result: 1 }, deep];
    await books.ok(...forms.map((detail) => turn([], [], { detail })));
    await books.ok(...forms.map((detail) => turn([], [result("1", "ok")], { detail })));
    expect(await calls(books)).toEqual(known);
    // Before the key was the ledger's own, callers could write anything there.
    const results = [
      ...[null, 1, "9", true, [], {}, { id: "9" }, { status: "ok" }, { id: null, status: "ok" }],
      ...[
        { id: ["9"], status: "ok" },
        { id: "9", status: "failed" },
        { id: "9", status: { of: [] } },
      ],
    ];
    await books.client.query("begin");
    try {
      for (const [n, value] of [...results, results].entries()) {
        await books.rows(
          `insert into ledger_private.journal (
            tenant_id, pool_id, seq, kind, operation_id, node_id, effective_at, recorded_at, recorded_by, detail
          )
          select $1, 'p', 1000 + $2, 'frozen', 'o', 'p', now(), now(), 'x', jsonb_build_object('tool_results', $3::jsonb)`,
          n,
          JSON.stringify(value),
        );
      }
      expect(await calls(books)).toEqual(known);
    } finally {
      await books.client.query("rollback");
    }
  });

  it.each(["tool_calls", "tool_findings"])(
    "ledger.%s reads the journals of the run that is asked for, by key",
    async (view) => {
      const books = await ledger.open();
      const runs = ["a", "b", "c"];
      await books.ok(...runs.flatMap((run) => [openRun(run), meter(run, {}, { tool_calls: ["read"] })]));
      for (const filter of ["run_id = 'b'", "pool_id = 'b'"]) {
        const plan = await books.rows(
          `explain (analyze, costs off, timing off, summary off) select * from ledger.${view} where tenant_id = $1 and ${filter}`,
        );
        const text = plan.map((row) => row["QUERY PLAN"]).join("\n");
        expect(text).toMatch(/Index Scan using journal_pkey on journal j\w* .*loops=1\)/);
        expect(text).not.toMatch(/Seq Scan on (?:journal|pools)|loops=[23]/);
      }
    },
  );
});
