/** Settled children that somebody priced, and that grow after that. */
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { useBooks } from "./books.js";
import { assistant, at, folderOf, use } from "./files.js";

const test = useBooks();
const FINAL = { final: true };
const HAIKU = "claude-haiku-4-5";
const OPUS = "claude-opus-4-6";
const SETTLED = "claude-code:agent:b:req-b:settled";

describe("a child with a receipt", () => {
  const main = [assistant({ id: "a" })];
  const b = assistant({ id: "b", at: at(1), usage: use(10, 5) });
  const c = assistant({ id: "c", at: at(2), model: HAIKU, usage: use(100, 50) });
  const more = assistant({ id: "d", at: at(3), model: HAIKU, usage: use(1, 1) });
  const counts = (model: string, iterations: number, input: number, output: number) => ({
    provider: "anthropic",
    model,
    iterations,
    input_tokens: input,
    output_tokens: output,
  });
  const spend = { iterations: 2, input_tokens: 110, output_tokens: 55, usd: "0.75" };

  it.each([
    [
      "per model",
      [
        { ...counts(OPUS, 1, 10, 5), usd: "0.5" },
        { ...counts(HAIKU, 1, 100, 50), usd: "0.25" },
      ],
      ["0.25", "0.5"],
    ],
    ["in one sum", undefined, ["0", "0.75"]],
  ])("%s grows, and keeps the dollars as an estimate", async (_, lines, expected) => {
    const books = await test.open();
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": main, "s/subagents/agent-1.jsonl": [b, c] }), FINAL);
    const receipt = { op: "correct", operation_id: "receipt", of: SETTLED, reason: "receipt", spend };
    const [answer] = await books.ledger.apply([lines === undefined ? receipt : { ...receipt, lines }]);
    expect(answer?.status).toBe("ok");
    const grown = folderOf({ "s.jsonl": main, "s/subagents/agent-1.jsonl": [b, c, more] });
    const report = await importClaudeCode(books.ledger, grown, FINAL);
    expect(report.sessions[0]).toMatchObject({ problems: [], calls: { new: 1, corrected: 1 } });
    expect(
      await books.rows(
        `select model, sum(iterations)::int as calls, sum(input_tokens)::int as input, trim_scale(sum(usd))::text as usd
         from ledger.usage_lines where tenant_id = $1 and node_id = 's:1' and model is not null group by model order by model`,
      ),
    ).toEqual([
      { model: HAIKU, calls: 2, input: 101, usd: expected[0] },
      { model: OPUS, calls: 1, input: 10, usd: expected[1] },
    ]);
    const child = "select usd::text, usd_known, input_tokens::int as input from ledger.spent_breakdown";
    expect(await books.rows(`${child} where tenant_id = $1 and source = 'child_work'`)).toEqual([
      { usd: "0.75", usd_known: false, input: 111 },
    ]);
    const rows = await books.journal();
    await importClaudeCode(books.ledger, grown, FINAL);
    expect(await books.journal()).toBe(rows);
  });
});
