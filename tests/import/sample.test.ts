/** The sessions that ship with the project, against their true figures. */
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { type Books, SAMPLE, useBooks } from "./books.js";

const test = useBooks();

const FIRST = "258c7280-ae70-4798-800f-63464d01a85d";
const SECOND = "4d5611e5-241a-462a-8d15-5122611a9569";
const THIRD = "ae4a77f8-aedd-4bc1-888f-c94edc91af04";
const ORPHAN = "6c2214d7-b87e-4432-8e41-22ba294ea584";

const metered = (books: Books, run: string, purpose: string) =>
  books.rows(
    `select count(*)::int as calls, sum(input_tokens)::int as input, sum(output_tokens)::int as output,
       sum(cache_read_tokens)::int as read, sum(cache_write_tokens)::int as write
     from ledger.journal where tenant_id = $1 and run_id = $2 and kind = 'metered' and purpose = $3`,
    run,
    purpose,
  );

const breakdown = (books: Books, run: string) =>
  books.rows(
    `select source, iterations::int, input_tokens::int as input, output_tokens::int as output, usd_known, tokens_known
     from ledger.spent_breakdown where tenant_id = $1 and run_id = $2 order by source`,
    run,
  );

describe("the sample", () => {
  it.each([
    [FIRST, 152, 15_121_271, 38_899, 14_771_617, 349_474, 1, 169_248, 6, 15_290_519, 38_905, "a881341", 3, 76_350, 3],
    [
      SECOND,
      139,
      12_098_281,
      28_755,
      11_618_567,
      479_537,
      1,
      173_514,
      8,
      12_271_795,
      28_763,
      "a2898e3",
      12,
      675_466,
      136,
    ],
    [THIRD, 217, 16_790_991, 49_467, 16_553_628, 237_121, 1, 139_534, 8, 16_930_525, 49_475, "aac57f5", 3, 50_496, 7],
  ])(
    "%s has its true figures",
    async (run, turns, input, output, read, write, compactions, cInput, cOutput, dInput, dOutput, agent, calls, aInput, aOutput) => {
      const books = await test.open();
      await importClaudeCode(books.ledger, SAMPLE);
      expect(await metered(books, run, "turn")).toEqual([{ calls: turns, input, output, read, write }]);
      expect(await metered(books, run, "compaction")).toEqual([
        expect.objectContaining({ calls: compactions, input: cInput, output: cOutput }),
      ]);
      const known = { usd_known: false, tokens_known: true };
      expect(await breakdown(books, run)).toEqual([
        { source: "child_work", iterations: calls, input: aInput, output: aOutput, ...known },
        { source: "driver_inference", iterations: 0, input: dInput, output: dOutput, ...known },
        { source: "total", iterations: calls, input: dInput + aInput, output: dOutput + aOutput, ...known },
      ]);
      const nodes =
        "select node_id, label, runtime, status, budget from ledger.nodes where tenant_id = $1 and run_id = $2";
      expect(await books.rows(`${nodes} order by node_id`, run)).toEqual([
        { node_id: run, label: `Claude Code ${run}`, runtime: null, status: "pending", budget: {} },
        { node_id: `${run}:${agent}`, label: `agent-${agent}`, runtime: "claude-code", status: "done", budget: {} },
      ]);
    },
  );

  it("keeps the unknown driver of a session whose file is missing visible", async () => {
    const books = await test.open();
    const report = await importClaudeCode(books.ledger, SAMPLE);
    expect(await breakdown(books, ORPHAN)).toEqual([
      { source: "child_work", iterations: 18, input: 497_515, output: 28, usd_known: false, tokens_known: true },
      { source: "driver_inference", iterations: 0, input: 0, output: 0, usd_known: false, tokens_known: false },
      { source: "total", iterations: 18, input: 497_515, output: 28, usd_known: false, tokens_known: false },
    ]);
    expect(report.sessions.find(({ run }) => run === ORPHAN)).toMatchObject({
      driverKnown: false,
      calls: { found: 18, new: 18 },
    });
    expect(report.sessions.flatMap(({ problems }) => problems)).toEqual([
      { file: `${ORPHAN}.jsonl`, problem: expect.stringContaining("what its driver used is unknown") },
    ]);
    expect(report.totals).toEqual({
      sessions: 4,
      files: 10,
      calls: 547,
      new: 547,
      corrected: 0,
      elsewhere: 0,
      waiting: 0,
      children: 4,
      compactions: 3,
      problems: 1,
    });
  });

  it("books a call with its ids, its place, its time and its tools", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, SAMPLE);
    const [row] = await books.rows(
      "select * from ledger.journal where tenant_id = $1 and operation_id = $2",
      "claude-code:msg_01EEiRWuVvwAmenNJXZcerPY:req_011CY2vXjEarsCbh9bG1N7Yz",
    );
    expect(row).toMatchObject({
      pool_id: FIRST,
      node_id: FIRST,
      provider: "anthropic",
      model: "claude-opus-4-6",
      purpose: "turn",
      turn: 0,
      provider_request_id: "req_011CY2vXjEarsCbh9bG1N7Yz",
      effective_at: new Date("2026-02-11T20:36:47.925Z"),
      detail: { message_id: "msg_01EEiRWuVvwAmenNJXZcerPY", service_tier: "standard" },
    });
    const [spawned] = await books.rows(
      "select effective_at from ledger.journal where tenant_id = $1 and kind = 'spawned' and node_id = $2",
      `${FIRST}:a881341`,
    );
    expect(spawned, "when the session asked for it").toEqual({ effective_at: new Date("2026-02-11T21:24:19.360Z") });
  });

  it("adds nothing when it is imported again", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, SAMPLE);
    const rows = await books.journal();
    const report = await importClaudeCode(books.ledger, SAMPLE, { final: true });
    expect(await books.journal()).toBe(rows);
    expect(report.totals).toMatchObject({ calls: 547, new: 0, corrected: 0, elsewhere: 0 });
  });
});
