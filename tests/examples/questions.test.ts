/**
 * The fifteen questions of the README, asked by an auditor about the sample sessions and the README's own examples. The answers are
 * kept in `answers/<nn>.txt`; after a change that is meant, `npx vitest -u` writes them anew, and the diff is to be read.
 */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { run } from "../cli/command-line.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";
import { answerTo, type Circumstances } from "./answer.js";
import { readmeExamples, readmeQuestions } from "./readme.js";
import { callsOfSample, toolsOfSample } from "./sample-files.js";

const TENANT = "local";
const questions = readmeQuestions();

let database: TestDatabase;
let auditor: pg.Client;
let circumstances: Circumstances;

beforeAll(async () => {
  database = await createTestDatabase();
  const { rows } = await database.pool.query("select clock_timestamp() as since, ledger.create_tenant($1)", [TENANT]);
  const url = await createLoginRole(database, { memberOf: "ledger_writer", tenantId: TENANT });
  circumstances = { since: rows[0].since, writer: new URL(url).username };
  expect(await run(["start"], { DATABASE_URL: url })).toMatchObject({ code: 0 });
  const writer = await connect(url);
  for (const statement of readmeExamples()) await writer.query(statement);
  await writer.end();
  auditor = await connect(await createLoginRole(database, { memberOf: "ledger_auditor", tenantId: TENANT }));
}, 120_000);

afterAll(async () => {
  await auditor?.end();
  await database?.drop();
});

/** Rows as the client reads them, asked by the auditor. */
async function rows(text: string): Promise<Record<string, string | null>[]> {
  return (await auditor.query(text)).rows;
}

/** The rows of a question of the README, by number and statement. */
async function answers(number: number, statement = 0): Promise<Record<string, string | null>[]> {
  return rows(questions[number - 1]?.statements[statement] ?? "");
}

/** Sums of two columns by what a third says. */
function summed(
  of: readonly Record<string, string | null>[],
  by: string,
  ...columns: string[]
): Map<unknown, number[]> {
  const sums = new Map<unknown, number[]>();
  for (const row of of) {
    const before = sums.get(row[by]) ?? columns.map(() => 0);
    sums.set(
      row[by],
      columns.map((column, index) => (before[index] ?? 0) + Number(row[column])),
    );
  }
  return sums;
}

describe("the README", () => {
  it("asks exactly fifteen questions, numbered in order", () => {
    expect(questions.map(({ number }) => number)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1));
  });

  it.each(questions)("question $number: $text", async ({ number, text, statements }) => {
    const tables: string[] = [];
    for (const statement of statements) tables.push(await answerTo(auditor, statement, circumstances));
    const name = String(number).padStart(2, "0");
    await expect(`${text}\n\n${tables.join("\n")}`).toMatchFileSnapshot(`answers/${name}.txt`);
  });
});

describe("the answers", () => {
  it("count the tokens that the session files hold, read by other means, model by model", async () => {
    const sample = (await answers(3)).filter(({ provider, model }) => provider === "anthropic" && model !== null);
    const columns = ["calls", "input_tokens", "cache_read_tokens", "output_tokens"] as const;
    const figures = summed(sample, "model", ...columns.slice(1));
    expect(Object.fromEntries(figures)).toEqual(Object.fromEntries(callsOfSample()));
  });

  it("count the tools that the drivers' own turns called", async () => {
    const found = toolsOfSample();
    // The README's example adds one search of its own.
    const tools = await rows(
      "select tool, sum(calls) as calls from ledger.usage_by_tool where tool <> 'search' group by tool",
    );
    expect(Object.fromEntries(tools.map(({ tool, calls }) => [tool, Number(calls)]))).toEqual(
      Object.fromEntries(found),
    );
    for (const { tool, calls } of await answers(10))
      if (tool !== "search") expect(found.get(String(tool))).toBe(Number(calls));
  });

  it("agree with each other: nodes with sources, bill with balance, pull with journal", async () => {
    const nodes = await answers(2);
    const sources = await answers(2, 1);
    const total = sources.find(({ source }) => source === "total");
    expect(nodes[0]?.tokens).toBe(total?.charged_tokens);
    expect(nodes.reduce((sum, { own_tokens }) => sum + Number(own_tokens), 0)).toBe(Number(total?.charged_tokens));

    const bill = await answers(9);
    const month = (await answers(1)).find(({ pool_id }) => pool_id === "2026-11");
    expect(bill.at(-1)).toMatchObject({ run_id: null, usd: month?.committed, without_receipt: month?.uncertain });
    const lines = bill.slice(0, -1).reduce((sum, { usd }) => sum + Number(usd), 0);
    expect(lines).toBeCloseTo(Number(month?.committed), 12);

    expect((await answers(8)).map(({ channel, all_agree }) => [channel, all_agree])).toEqual([
      ["iterations", true],
      ["tokens", true],
      ["usd", true],
    ]);
    expect(await answers(8, 1)).toEqual([]);
  });

  it("pull every row once: pages from one cursor to the next are the journal, and then nothing is new", async () => {
    const statement = questions[14]?.statements[0] ?? "";
    const first = /'(\{.*?\})'/s.exec(statement)?.[1] ?? "";
    const seqs = Object.values(JSON.parse(first) as Record<string, number>);
    let pulled = seqs.reduce((sum, seq) => sum + seq, 0);
    let billed = 0n;
    for (
      let cursor = first, page = await rows(statement);
      page.length > 0;
      page = await rows(statement.replace(first, cursor))
    ) {
      pulled += page.length;
      for (const { bill_tokens } of page) billed += BigInt(bill_tokens ?? 0);
      cursor = JSON.stringify(page.at(-1)?.cursor);
    }
    const [{ events } = {}] = await answers(14);
    expect(pulled).toBe(Number(events));
    const billedBefore = Object.keys(JSON.parse(first)).map((pool) => `'${pool}'`);
    const [{ tokens } = {}] = await rows(
      `select sum(charged_tokens) as tokens from ledger.usage_lines where pool_id not in (${billedBefore.join(", ")})`,
    );
    expect(String(billed)).toBe(tokens);
  });
});
