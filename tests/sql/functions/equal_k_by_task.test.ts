/** Gates task by task. */
import { expect, it } from "vitest";
import { judge, spentRun } from "../experiments.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const TEXT = "select * from ledger.equal_k_by_task($1, 'E')";

it("has three rows for each task, over all arms; runs without a task come first", async () => {
  const books = await ledger.open();
  await books.ok(
    ...spentRun("a0", { arm: "a" }, { input_tokens: 100 }),
    ...spentRun("b0", { arm: "b" }, { input_tokens: 103 }),
    ...spentRun("a1", { arm: "a", task: "one" }, { input_tokens: 100 }),
    ...spentRun("b1", { arm: "b", task: "one" }, { input_tokens: 200 }),
    ...spentRun("a2", { arm: "a", task: "two" }, { input_tokens: 200 }),
    ...spentRun("a3", { arm: "a", task: "zero" }, { input_tokens: 1 }),
    ...spentRun("b3", { arm: "b", task: "zero" }, { input_tokens: 9 }),
    judge("b3", false, { infra: true }),
  );
  const rows = await books.rows(TEXT);
  expect(rows.map(({ task, channel, verdict, reason }) => [task, channel, verdict, reason])).toEqual([
    ...[
      [null, "tokens", "equal", null],
      [null, "usd", "equal", null],
      [null, "all", "equal", null],
    ],
    ["one", "tokens", "unequal", "over-tolerance"],
    ...[
      ["one", "usd", "equal", null],
      ["one", "all", "unequal", "over-tolerance"],
    ],
    ...["tokens", "usd", "all"].map((channel) => ["two", channel, "inconclusive", "unbalanced"]),
  ]);
  expect(rows[0]).toMatchObject({ spread: "3", median: "101.5", fraction: "0.029556650246", tolerance: "0.05" });
  // No run of arm b did that task; it is an arm all the same.
  expect(rows[6]?.arms).toMatchObject([
    { arm: "a", runs: 1, cost: "200" },
    { arm: "b", runs: 0, cost: "0" },
  ]);
});

it("raises what equal_k raises", async () => {
  const books = await ledger.open();
  await expect(books.rows(TEXT)).rejects.toMatchObject({ code: "LG010" });
  const text = "select * from ledger.equal_k_by_task($1, 'E', null)";
  await expect(books.rows(text)).rejects.toMatchObject({ code: "LG001" });
  await expect(ledger.client.query(TEXT, ["nobody"])).rejects.toMatchObject({ code: "LG012" });
});
