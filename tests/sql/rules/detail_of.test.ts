/** What an event says of tools: the calls it names, what became of earlier ones, and what the caller keeps with it. */
import { describe, expect, it } from "vitest";
import { type Operation, WAYS } from "../books.js";
import { correct, meter, openPool, settle, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";
import { price, priceFrom } from "../prices.js";

const ledger = useLedger();

const digest = `sha256:${"0a".repeat(32)}`;
const calls = ["read", { name: "edit", id: "1", arguments: digest, status: "ok" }, { name: "run" }];
const results = [
  { id: "0", status: "error" },
  { id: "1", status: "ok" },
];
const told = { tool_calls: calls, tool_results: results };

describe.each(WAYS)("tools of an event %s", (way) => {
  it.each<[string, string, Operation]>([
    ["a turn", "metered", meter("p", {}, told)],
    ["a leaf that is settled", "settled", settle("a", {}, told)],
    ["a leaf that failed", "settled", settle("a", {}, { ...told, outcome: "down" })],
    ["a leaf that is cancelled", "cancelled", { op: "cancel", node_id: "a", reason: "r", ...told }],
  ])("are kept with %s", async (_what, kind, operation) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"), operation);
    expect((await books.journal("p")).at(-1)).toMatchObject({
      kind,
      tool_calls: calls,
      detail: { tool_results: results },
    });
    expect(await books.audit()).toEqual([]);
  });

  it("are kept with a leaf that is settled after it expired, and with a correction", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a", {}, { lease_ms: 1 }), { op: "dispatch", node_id: "a" });
    await expect.poll(async () => (await books.node("a")).lapsed).toBe(true);
    await books.ok({ op: "expire", pool_id: "p" }, settle("a", {}, { ...told, detail: { n: 1 }, operation_id: "s" }));
    expect((await books.journal("p")).at(-1)).toMatchObject({
      kind: "corrected",
      tool_calls: calls,
      detail: { n: 1, tool_results: results },
    });
    await books.ok(meter("p", {}, { operation_id: "m" }), correct("m", {}, { tool_calls: calls }));
    expect((await books.journal("p")).at(-1)).toMatchObject({ kind: "corrected", tool_calls: calls, detail: null });
    expect(await books.failed("LG001", correct("m", {}, { tool_results: results }))).toBe("tool_results");
    expect(await books.failed("LG001", correct("m", {}, { tool_calls: [{ id: "1" }] }))).toBe("tool_calls");
  });

  it.each<[string, Operation, unknown]>([
    ["an object", { detail: { n: null } }, { n: null, tool_results: results }],
    ["a list", { detail: [1, null] }, { detail: [1, null], tool_results: results }],
    ["a text", { detail: "note" }, { detail: "note", tool_results: results }],
    ["nothing", {}, { tool_results: results }],
    ["a price from a book", { usd: null }, { price_book: "list", tool_results: results }],
  ])("stand in the detail beside %s", async (_what, { usd, ...beside }, kept) => {
    const books = await ledger.open(way);
    await priceFrom(books, "list", [price("m", "input", "1")]);
    const spent = usd === null ? { usd_known: false, input_tokens: 1 } : {};
    const which = { provider: "acme", model: "m", tool_results: results, ...beside };
    await books.ok(openPool("p"), meter("p", spent, which), spawn("p", "a"), settle("a", spent, which));
    const kinds = ["metered", "settled"];
    const rows = (await books.journal("p")).filter(({ kind }) => kinds.includes(String(kind)));
    expect(rows.map(({ detail }) => detail)).toEqual([kept, kept]);
  });

  it.each<[string, Operation, string]>([
    ["calls that are no list", { tool_calls: { name: "read" } }, "tool_calls"],
    ["a call without a name", { tool_calls: [{ id: "1" }] }, "tool_calls"],
    ["arguments in the clear", { tool_calls: [{ name: "read", arguments: { path: "/" } }] }, "tool_calls"],
    ["another status", { tool_calls: [{ name: "read", status: "unknown" }] }, "tool_calls"],
    ["results that are no list", { tool_results: { id: "1", status: "ok" } }, "tool_results"],
    ["a result without a status", { tool_results: [{ id: "1" }] }, "tool_results"],
    ["the text of a result", { tool_results: [{ id: "1", status: "ok", text: "x" }] }, "tool_results"],
    ["results in the detail", { detail: { tool_results: results } }, "detail.tool_results"],
    ["results of null in the detail", { detail: { tool_results: null } }, "detail.tool_results"],
    ["a detail of null", { detail: null }, "detail"],
  ])("are refused as %s", async (_what, wrong, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawn("p", "a"));
    const kinds = await books.kinds("p");
    for (const operation of [
      meter("p", {}, wrong),
      settle("a", {}, wrong),
      { op: "cancel", node_id: "a", reason: "r", ...wrong },
    ]) {
      expect(await books.failed("LG001", operation)).toBe(path);
    }
    expect(await books.kinds("p")).toEqual(kinds);
  });

  it("belong to the calls of a driver, not to its end, which keeps a detail", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), spawnDriver("p", "d"));
    expect(await books.failed("LG001", settleDriver("d", { tool_calls: [] }))).toBe("tool_calls");
    expect(await books.failed("LG001", settleDriver("d", { tool_results: [] }))).toBe("tool_results");
    const cancel = { op: "cancel", node_id: "d", reason: "r" };
    expect(await books.failed("LG001", { ...cancel, ...told })).toBe("tool_calls");
    await books.ok(settleDriver("d", { detail: { n: 1 } }));
    expect((await books.journal("d")).at(-1)).toMatchObject({ kind: "closed", detail: { n: 1 } });
  });
});
