/** A batch leaves the same rows, column by column, as its operations one call each. */
import { describe, expect, it } from "vitest";
import type { Operation } from "../books.js";
import { meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver, spend } from "../builders.js";
import { useLedger } from "../ledger.js";
import { rowsOf } from "../rows.js";

const ledger = useLedger();

const effective_at = "2024-05-06T07:08:09.123456Z";
const tags = { team: "search", step: "plan" };
const digest = `sha256:${"0a".repeat(32)}`;
const results = [{ id: "1", status: "error" }];
const model = { provider: "acme", model: "large", provider_request_id: "r/1", purpose: "turn" };

const TREE: readonly Operation[] = [
  openPool("top", { tokens: 1000, iterations: 100, usd: "50", gpu: 20 }, { tags: { team: "core", tier: "1" } }),
  openRun("run", { tokens: 500, iterations: 50 }, { parent_pool_id: "top", token_charge: "total" }),
  openPool("flag", { usd: "1" }, { unknown_usd: "flag", token_charge: "uncached" }),
  openPool("small", { tokens: 10, usd: "0.5" }, { max_depth: 1 }),
];

const HISTORIES: Readonly<Record<string, readonly Operation[]>> = {
  "turns with everything that a turn can say": [
    meter(
      "run",
      {
        iterations: 1,
        input_tokens: 30,
        output_tokens: 10,
        cache_read_tokens: 5,
        cache_write_tokens: 2,
        reasoning_tokens: 3,
        usd: "0.25",
        ms: 12,
      },
      { ...model, tags, effective_at, turn: 2, tool_calls: ["a", "a"], detail: { n: 1 } },
    ),
    meter("run", {}, { tool_calls: ["a", { name: "b", id: "1", arguments: digest }], tool_results: results }),
    meter("run", {}, { tool_results: results, detail: [1] }),
    meter("run", {}, { tool_results: results, detail: { n: null } }),
    meter("run", {}, { tool_results: [], tool_calls: [] }),
    meter("run", {}, { tool_results: [{ id: "1" }] }),
    meter("run", { usd: "0.5", usd_known: false, tokens_known: false }),
    meter("run", { usd: "0" }),
    meter("run", { usd: "1", resources: { gpu: { amount: "1.5" }, pages: { amount: 2 } } }),
    meter("flag", { input_tokens: 9, cache_read_tokens: 4, usd_known: false }),
    meter("top", { input_tokens: 4, usd: "0.1" }, { lines: [{ input_tokens: 4, usd: "0.1", ...{ model: "m" } }] }),
  ],
  "unknown dollars that seal the payer, and what comes after": [
    meter("run", { usd: "2" }),
    meter("run", { usd_known: false }),
    meter("run", { usd: "3" }),
    spawn("run", "sealed", { tokens: 1, iterations: 1 }),
    meter("top", { usd: "1" }),
    { op: "fund", pool_id: "top", amounts: { usd: 5 } },
    meter("top", { usd_known: false }),
  ],
  "children of every kind": [
    spawn("run", "a", { tokens: 50, iterations: 2 }, { tags, effective_at, runtime: "node", lease_ms: 60_000 }),
    { op: "spawn", pool_id: "run", label: "derived", budget: { tokens: 5, iterations: 1, gpu: 3 } },
    spawn("run", "keyed", { tokens: 5, iterations: 1 }, { key: "k" }),
    {
      op: "spawn",
      pool_id: "run",
      label: "derived too",
      budget: { tokens: 5, iterations: 1, usd: 0 },
      lease_ms: 120_000,
    },
    spawnDriver("run", "driver", { tokens: 100, iterations: 10, gpu: "2.5" }, { tags: { own: "1" } }),
    spawn("driver", "inner", { tokens: 20, iterations: 1, gpu: 1 }),
    spawn("run", "last", { tokens: 0, iterations: 0 }, { lease_ms: 30_000 }),
  ],
  "ends of every kind": [
    ...["a", "b", "c", "d", "e"].map((id) =>
      spawn("run", id, { tokens: 20, iterations: 1 }, { lease_ms: 60_000, tags }),
    ),
    spawn("top", "dear", { tokens: 5, iterations: 1, usd: "1", gpu: 2 }),
    { op: "dispatch", node_id: "a" },
    settle(
      "a",
      { iterations: 1, input_tokens: 15, usd: "0.5" },
      {
        ...model,
        verdict: { ok: 1 },
        out_ref: "o",
        effective_at,
        tool_calls: ["a"],
        tool_results: results,
        detail: { n: 1 },
      },
    ),
    settle("b", { iterations: 3, input_tokens: 90, usd: "0.5" }, { outcome: "down", reason: "r", infra: true }),
    settle("c", { usd: "1", usd_known: false }, { lines: [{ usd: "1", usd_known: false, model: "x" }] }),
    {
      op: "cancel",
      node_id: "d",
      reason: "unsent",
      tool_calls: [{ name: "b", id: "2" }],
      tool_results: results,
      detail: "d",
    },
    {
      op: "cancel",
      node_id: "e",
      reason: "sent",
      spend: spend({ output_tokens: 3, resources: { gpu: { amount: 1 } } }),
    },
    settle("dear", { usd_known: false, resources: { pages: { amount: 1 } } }, { tags: { late: "yes" } }),
    { op: "deliver", pool_id: "run" },
    { op: "deliver", pool_id: "run" },
  ],
  "what is refused, wrong or said twice between what is not": [
    spawn("small", "a", { tokens: 6 }),
    spawn("small", "b", { tokens: 6 }),
    spawn("small", "b", { tokens: 4 }),
    spawn("small", "a", { tokens: 0 }),
    settle("nobody", { input_tokens: 1 }),
    meter("small", { input_tokens: -1 }),
    meter("nowhere"),
    settle("a", { input_tokens: 2 }, { operation_id: "once" }),
    settle("a", { input_tokens: 2 }, { operation_id: "once" }),
    settle("a", { input_tokens: 3 }, { operation_id: "once" }),
    settle("a"),
    spawn("small", "c", { tokens: 5, usd: "0.75" }),
    spawnDriver("small", "d", { tokens: 1 }),
    spawnDriver("d", "dd", { tokens: 1 }),
    meter("small", { input_tokens: 9, usd: "0.625" }),
    spawn("small", "e", { tokens: 0 }),
  ],
  "a driver's whole life, and what is late": [
    spawnDriver("run", "d", { tokens: 100, iterations: 5 }),
    meter("d", { input_tokens: 10, usd: "1" }, { operation_id: "turn" }),
    spawn("d", "a", { tokens: 10, iterations: 1 }),
    settle("a", { input_tokens: 4, usd: "0.5" }, { operation_id: "end" }),
    settleDriver("d", { tool_calls: ["a"] }),
    settleDriver("d", { tool_results: results }),
    settleDriver("d", { out_ref: "o", detail: { n: 1 } }),
    meter("d", { input_tokens: 1, usd: "0.25" }),
    meter("run", { input_tokens: 2 }),
    { op: "correct", of: "turn", spend: spend({ input_tokens: 8, usd: "1.25" }), reason: "invoice" },
    { op: "correct", of: "end", spend: spend({ input_tokens: 5, usd_known: false }), reason: "lost" },
    spawn("run", "after", { tokens: 1, iterations: 1 }),
    settleDriver("run"),
    meter("d", { input_tokens: 3, usd: "0.125" }),
    spawn("run", "too late", { tokens: 1, iterations: 1 }),
  ],
};

/** Calls of what is common only, in pools that pay for themselves: each a batch that one statement books, or puts back. */
const COMMON: readonly (readonly Operation[])[] = [
  [
    openPool("p", { tokens: 1000, iterations: 100, usd: "50" }, { tags: { team: "core", tier: "1" } }),
    openPool("q", { usd: "1" }, { token_charge: "uncached" }),
    openRun("r", { tokens: 500, iterations: 50 }),
    openPool("small", { tokens: 10, iterations: 5, usd: "0.5" }),
  ],
  [
    meter("q", { input_tokens: 9, cache_read_tokens: 4, cache_write_tokens: 2, cache_write_1h_tokens: 1, usd: "0.1" }),
    meter(
      "p",
      { iterations: 1, input_tokens: 30, output_tokens: 10, reasoning_tokens: 3, usd: "0.250", ms: 12 },
      model,
    ),
    meter("q", { usd: "0" }, { turn: 2, tool_calls: ["a", { name: "b" }], detail: { n: 1 } }),
    meter("p", { usd: "2" }, { tags, effective_at, detail: [1] }),
    meter("r", {}, { tags: { own: "1" } }),
  ],
  [
    spawn(
      "p",
      "a",
      { tokens: 20, iterations: 1, usd: "0.5" },
      { tags, effective_at, runtime: "node", lease_ms: 60_000 },
    ),
    { op: "spawn", pool_id: "p", label: "derived", budget: { tokens: 5, iterations: 1, usd: "0.1" }, lease_ms: 30_000 },
    spawn("r", "b", { tokens: 0, iterations: 0 }, { task_ref: digest }),
    { op: "spawn", pool_id: "p", label: "derived too", budget: { tokens: 5, iterations: 1 } },
    spawn("q", "c", { tokens: 7, usd: "0.25" }),
    meter("p", { input_tokens: 1, usd: "0.125" }),
  ],
  [
    settle("a", { iterations: 2, input_tokens: 15, usd: "0.75" }, { ...model, verdict: { ok: 1 }, out_ref: "o" }),
    spawn("p", "d", { tokens: 3, iterations: 1, usd: "0" }),
    settle("p:s1", { output_tokens: 4, usd: "0.1" }, { outcome: "down", reason: "r", infra: true, effective_at, tags }),
    settle("b", { input_tokens: 1, usd: "0" }, { tool_calls: ["a"], detail: { n: 1 } }),
    settle("c", { input_tokens: 9, cache_read_tokens: 4, usd: "0.25" }),
    spawn("q", "e", { usd: "0.25" }),
  ],
  // put back: an id taken, a node ended twice, no room, room only after what comes back, a row that is sealed by another
  ["x", "y", "z", "a"].map((id) => spawn("p", id, { tokens: 1, iterations: 1 })),
  ["x", "y", "d", "x"].map((id) => settle(id, { input_tokens: 1, usd: "0" })),
  ["s", "t", "u", "v"].map((id) => spawn("small", id, { tokens: 4, iterations: 1 })),
  [
    settle("s", { input_tokens: 1, usd: "0" }),
    spawn("small", "w", { tokens: 4, iterations: 1 }),
    meter("small", { usd: "0.5" }),
    spawn("small", "after", { tokens: 1, iterations: 1 }),
  ],
  [meter("p", { usd_known: false }), meter("q"), meter("q"), meter("q")],
  [meter("q"), meter("p", { usd: "1" }), meter("q"), meter("r")],
  [spawn("q", "q", {}), spawn("q", "f", {}), spawn("q", "g", { iterations: 3 }), spawn("p", "h", { tokens: 1 })],
  [{ op: "freeze", pool_id: "q" }],
  [meter("q"), meter("q"), meter("q"), spawn("q", "frozen", {})],
  [meter("q"), meter("q"), meter("q"), meter("r", { input_tokens: 3 }, { operation_id: "once" })],
  [meter("q"), meter("q"), meter("r", { input_tokens: 3 }, { operation_id: "once" }), meter("q")],
];

const numbered = (operations: readonly Operation[], prefix: string): Operation[] =>
  operations.map((operation, n) => ({ operation_id: `${prefix}-${n}`, ...operation }));

describe("a batch", () => {
  it.each(Object.entries(HISTORIES))("of %s", async (_what, operations) => {
    const [tree, history] = [numbered(TREE, "tree"), numbered(operations, "op")];
    const [whole, parts] = [await ledger.open(), await ledger.open()];
    await whole.ok(...tree);
    await parts.ok(...tree);
    const together = await whole.apply(history);
    const apart = [];
    for (const operation of history) apart.push(...(await parts.apply([operation])));
    expect(together.map((answer) => ({ ...answer, position: 0 }))).toEqual(apart);
    expect(await rowsOf(whole)).toEqual(await rowsOf(parts));
    expect(await whole.apply(history)).toEqual(await parts.apply(history));
  });

  it("of what is common, call after call", async () => {
    const [whole, parts] = [await ledger.open(), await ledger.open()];
    for (const [n, operations] of COMMON.entries()) {
      const call = numbered(operations, `call-${n}`);
      const together = await whole.apply(call);
      const apart = [];
      for (const operation of call) apart.push(...(await parts.apply([operation])));
      expect(together.map((answer) => ({ ...answer, position: 0 }))).toEqual(apart);
      expect(await rowsOf(whole)).toEqual(await rowsOf(parts));
      expect(await whole.apply(call)).toEqual(await parts.apply(call));
    }
  });

  it("of all of these, in one call", async () => {
    const histories = Object.values(HISTORIES).map((operations, n) => {
      const own = (id: unknown) => (typeof id === "string" ? `${n}/${id}` : id);
      return numbered([...TREE, ...operations], `op-${n}`).map((operation) => {
        const ids = ["pool_id", "parent_pool_id", "node_id", "of", "operation_id"].filter((key) => key in operation);
        return { ...operation, ...Object.fromEntries(ids.map((key) => [key, own(operation[key])])) };
      });
    });
    // One operation of each in turn, so that runs of common operations are of many pools.
    const longest = Math.max(...histories.map((history) => history.length));
    const mixed = Array.from({ length: longest }, (_, n) =>
      histories.flatMap((history) => history.slice(n, n + 1)),
    ).flat();
    const [whole, parts] = [await ledger.open(), await ledger.open()];
    const together = await whole.apply(mixed);
    const apart = [];
    for (const operation of mixed) apart.push(...(await parts.apply([operation])));
    expect(together.map((answer) => ({ ...answer, position: 0 }))).toEqual(apart);
    expect(await rowsOf(whole)).toEqual(await rowsOf(parts));
  });
});
