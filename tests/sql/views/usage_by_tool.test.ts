/** Usage of the turns in which a tool was called. */
import { describe, expect, it } from "vitest";
import { correct, meter, openPool, openRun, settle, spawn, spend } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const COLUMNS = "run_id, tool, calls, events, charged_tokens, usd, tokens_known, usd_known";
const known = { tokens_known: true, usd_known: true };

describe("usage_by_tool", () => {
  it("counts calls and turns, a turn whole in each of its tools, per run and outside any", async () => {
    const books = await ledger.open();
    const on = (day: number) => `2026-02-0${day}T00:00:00Z`;
    await books.ok(
      openRun("r"),
      openPool("p"),
      meter("r", { input_tokens: 10, usd: "0.1" }, { tool_calls: ["read", "read", "edit"], effective_at: on(3) }),
      meter("r", { input_tokens: 5, output_tokens: 1, usd: "0.2" }, { tool_calls: ["read"], effective_at: on(1) }),
      meter("r", { input_tokens: 99, usd: "9" }, { tool_calls: [] }),
      meter("r", { input_tokens: 99, usd: "9" }),
      meter("p", { input_tokens: 7, usd: "0" }, { tool_calls: ["read"], effective_at: on(2) }),
    );
    const rows = await books.rows(
      `select ${COLUMNS}, first_at, last_at from ledger.usage_by_tool where tenant_id = $1 order by run_id, tool`,
    );
    const at = (first: number, last: number) => ({ first_at: new Date(on(first)), last_at: new Date(on(last)) });
    expect(rows).toEqual([
      { run_id: "r", tool: "edit", calls: "1", events: "1", charged_tokens: "10", usd: "0.1", ...known, ...at(3, 3) },
      { run_id: "r", tool: "read", calls: "3", events: "2", charged_tokens: "16", usd: "0.3", ...known, ...at(1, 3) },
      { run_id: null, tool: "read", calls: "1", events: "1", charged_tokens: "7", usd: "0", ...known, ...at(2, 2) },
    ]);
  });

  it("takes names seen only later to their turn, net of every correction, as known as the last", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { usd: "9" }),
      meter("r", { input_tokens: 10, usd_known: false }, { operation_id: "turn", tool_calls: ["read"] }),
    );
    const usage = () => books.rows(`select ${COLUMNS} from ledger.usage_by_tool where tenant_id = $1 order by tool`);
    expect(await usage()).toEqual([
      expect.objectContaining({ tool: "read", charged_tokens: "10", usd: null, tokens_known: true, usd_known: false }),
    ]);
    await books.ok(
      correct("turn", { input_tokens: 30, usd: "0.5" }, { tool_calls: ["edit", "read"] }),
      correct("turn", { input_tokens: 25, usd: "0.4" }, { tool_calls: ["edit"] }),
    );
    const turn = { run_id: "r", events: "1", charged_tokens: "25", usd: "0.4", ...known };
    expect(await usage()).toEqual([
      { tool: "edit", calls: "2", ...turn },
      { tool: "read", calls: "2", ...turn },
    ]);
  });

  it("counts names in both forms, and the ends of leaves as turns, late ones too", async () => {
    const books = await ledger.open();
    const calls = (id: string) => ["read", { name: "read", id, status: "ok" }, { name: "edit" }];
    await books.ok(
      openRun("r", { tokens: 1_000 }),
      ...["a", "b"].map((id) => spawn("r", id, { tokens: 100 })),
      spawn("r", "late", { tokens: 50 }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "late" },
      meter("r", { input_tokens: 1, usd: "0.1" }, { tool_calls: calls("1") }),
      settle("a", { input_tokens: 20, usd: "0.2" }, { tool_calls: calls("2"), outcome: "down" }),
      { op: "cancel", node_id: "b", reason: "r", spend: spend({ input_tokens: 300 }), tool_calls: ["edit"] },
    );
    await expect.poll(async () => (await books.node("late")).lapsed).toBe(true);
    await books.ok({ op: "expire", pool_id: "r" }, settle("late", { input_tokens: 40 }, { tool_calls: ["read"] }));
    const rows = await books.rows(`select ${COLUMNS} from ledger.usage_by_tool where tenant_id = $1 order by tool`);
    expect(rows).toEqual([
      { run_id: "r", tool: "edit", calls: "3", events: "3", charged_tokens: "321", usd: "0.3", ...known },
      { run_id: "r", tool: "read", calls: "5", events: "3", charged_tokens: "61", usd: "0.3", ...known },
    ]);
  });

  it("counts a call that has an id once in its pool, in the turn that stated it first; those without are each their own", async () => {
    const books = await ledger.open();
    const calls = (...given: unknown[]) => ({ tool_calls: given });
    const search = { name: "search", id: "1" };
    await books.ok(
      openRun("r"),
      openPool("p"),
      meter("r", { input_tokens: 10, usd: "0.1" }, { operation_id: "turn", ...calls(search, "search", "search") }),
      meter("r", { input_tokens: 5, usd: "0.2" }, calls({ ...search, status: "ok" }, { name: "read", id: "2" })),
      correct(
        "turn",
        { input_tokens: 20, usd: "0.1" },
        calls(search, { name: "read", id: "2" }, { name: "edit", id: "3" }),
      ),
      meter("p", { input_tokens: 7, usd: "0" }, calls(search)),
    );
    const rows = await books.rows(
      `select ${COLUMNS} from ledger.usage_by_tool where tenant_id = $1 order by run_id, tool`,
    );
    const [first, second] = [
      { run_id: "r", events: "1", charged_tokens: "20", usd: "0.1", ...known },
      { run_id: "r", events: "1", charged_tokens: "5", usd: "0.2", ...known },
    ];
    expect(rows).toEqual([
      { tool: "edit", calls: "1", ...first },
      { tool: "read", calls: "1", ...second },
      { tool: "search", calls: "3", ...first },
      { run_id: null, tool: "search", calls: "1", events: "1", charged_tokens: "7", usd: "0", ...known },
    ]);
    const rowsOfCalls =
      "select tool, count(*) as calls from ledger.tool_calls where tenant_id = $1 group by tool order by tool";
    expect(await books.rows(rowsOfCalls)).toEqual([
      { tool: "edit", calls: "1" },
      { tool: "read", calls: "1" },
      { tool: "search", calls: "4" },
    ]);
  });

  it("agrees with the journal unpivoted by hand over a long history", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const [{ tenants } = {}] = await books.rows(
      "select count(*)::int as tenants from ledger.health where tenant_id = $1",
    );
    expect(tenants).toBe(1);
    const rows = await books.rows(`select ${COLUMNS} from ledger.usage_by_tool where tenant_id = $1 order by tool`);
    const turn = { run_id: "run-a", calls: "1", events: "1", charged_tokens: "170", usd: "0.06", ...known };
    const unknown = { charged_tokens: "15", usd: null, usd_known: false };
    expect(rows).toEqual([
      { ...turn, tool: "fetch", run_id: "run-c", calls: "3", ...unknown },
      { tool: "read", ...turn },
      { tool: "search", ...turn },
    ]);
  });

  it("looks at the pools of the run that is asked for, and at no other journal", async () => {
    const books = await ledger.open();
    await books.ok(
      ...["a", "b", "c"].flatMap((run) => [openRun(run), meter(run, { input_tokens: 1 }, { tool_calls: ["read"] })]),
    );
    const plan = await books.rows(
      "explain (analyze, costs off, timing off, summary off) select * from ledger.usage_by_tool where tenant_id = $1 and run_id = 'b'",
    );
    const text = plan.map((row) => row["QUERY PLAN"]).join("\n");
    expect(text).toMatch(/on journal j\w* .*loops=1\)/);
    expect(text).not.toMatch(/loops=[23]/);
  });
});
