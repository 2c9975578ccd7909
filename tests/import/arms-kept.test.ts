/** What an import of results reports is what the ledger has: estimates, and judgements that were made or should be taken back. */
import { describe, expect, it } from "vitest";
import { importArms } from "../../src/import/arms/import.js";
import { fileOf, line, load, runs } from "./arm-lines.js";
import { type Books, useBooks } from "./books.js";

const test = useBooks();

describe("a judgement that the line has no more", () => {
  it.each([
    [line({ resolved: true }), { resolved: true, infra: false }, "resolved true"],
    [line({ infra: true }), { resolved: false, infra: true }, "resolved false, infra true"],
  ])("of %j is a problem: it still counts", async (before, judged, said) => {
    const books = await test.open();
    await load(books, [before, line({ task: "2" })]);
    const rows = await books.journal();
    const report = await load(books, [line(), line({ task: "2" })]);
    expect(report).toMatchObject({ new: 0, existing: 1, failed: 1, arms: [{ runs: 1, resolved: 0, infra: 0 }] });
    expect(report.problems).toEqual([
      {
        line: 1,
        problem: `was imported with a judgement (${said}), which still counts: put it back, or judge it again with the operation \`judge\` (run_id: e/a/t)`,
      },
    ]);
    expect(await books.journal()).toBe(rows);
    expect((await runs(books))[1]).toMatchObject(judged);
  });

  it("is none once it is judged again", async () => {
    const books = await test.open();
    await load(books, [line({ infra: true })]);
    await judge(books, { resolved: true, infra: false });
    const report = await load(books, [line()]);
    expect(report).toMatchObject({ existing: 1, problems: [], arms: [{ runs: 1, resolved: 1, infra: 0 }] });
  });
});

it("a judgement that somebody else made is no problem of a line that says nothing", async () => {
  const books = await test.open();
  await load(books, [line()]);
  await judge(books, { resolved: false, infra: true });
  const report = await load(books, [line()]);
  expect(report).toMatchObject({ existing: 1, problems: [], arms: [{ runs: 1, resolved: 0, infra: 1 }] });
});

it("a call without a receipt is reported as it was priced, also when it was there already", async () => {
  const books = await test.open();
  const price = { provider: "acme", model: "m" };
  await books.ledger.putPrices("b", [
    { ...price, token_class: "input", usd_per_million: 5 },
    { ...price, token_class: "output", usd_per_million: 25 },
  ]);
  await books.ledger.usePrices("b");
  const lines = [
    line({ task: "receipt", ...price }),
    // 100 * 5 / 1e6 + 20 * 25 / 1e6 dollars
    line({ task: "estimate", usd: undefined, ...price }),
    line({ arm: "b", usd: undefined, ...price }),
    line({ arm: "c", usd: undefined, ...price, model: "another" }),
  ];
  const arms = [
    { arm: "a", usd: "0.501", usdKnown: false, estimatedUsd: "0.001", unknownUsdEvents: "0" },
    { arm: "b", usd: "0.001", usdKnown: false, estimatedUsd: "0.001", unknownUsdEvents: "0" },
    { arm: "c", usd: "0", usdKnown: false, estimatedUsd: "0", unknownUsdEvents: "1" },
  ];
  expect(await load(books, lines)).toMatchObject({ new: 4, arms });
  expect(await load(books, lines)).toMatchObject({ existing: 4, arms });
});

it("lines are those of the file that hold anything, good or bad", async () => {
  const books = await test.open();
  expect(await importArms(books.ledger, fileOf(`\n${JSON.stringify(line())}\n\n{}\nx\n[]\n`))).toMatchObject({
    valid: false,
    lines: 4,
  });
});

async function judge(books: Books, judgement: object): Promise<void> {
  const operation = { op: "judge", operation_id: "again", run_id: "e/a/t", ...judgement };
  expect(await books.ledger.apply([operation])).toMatchObject([{ status: "ok" }]);
}
