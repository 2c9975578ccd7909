/** Files of results with mistakes: each is told with its line, its field and what to do, and nothing is written. */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { importArms } from "../../src/import/arms/import.js";
import { fileOf, line, load } from "./arm-lines.js";
import { useBooks } from "./books.js";
import { folderOf } from "./files.js";

const test = useBooks();
const DOLLARS = { field: "usd", problem: expect.stringMatching(/^must be dollars from 0 on, .*leave it out/) };

describe("a file with mistakes", () => {
  const good = JSON.stringify(line());
  it.each<[string, string, object]>([
    ["torn JSON", good.slice(0, -1), { problem: expect.stringContaining("not complete JSON") }],
    ["no object", "[1]", { problem: "must be an object, one per line" }],
    ["null", "null", { problem: "must be an object, one per line" }],
    [
      "an unknown field",
      JSON.stringify(line({ tokens: 1 })),
      { field: "tokens", problem: expect.stringMatching(/^is no field .*input_tokens/) },
    ],
    [
      "a field named __proto__",
      `{"__proto__": {"usd": 1}, ${good.slice(1)}`,
      { field: "__proto__", problem: expect.stringMatching(/^is no field/) },
    ],
    [
      "no arm",
      JSON.stringify(line({ arm: undefined })),
      { field: "arm", problem: expect.stringMatching(/^is required: /) },
    ],
    [
      "an empty name",
      JSON.stringify(line({ arm: "" })),
      { field: "arm", problem: expect.stringContaining("1 to 200 characters") },
    ],
    ["a long name", JSON.stringify(line({ task: "x".repeat(201) })), { field: "task" }],
    ["a control character", JSON.stringify(line({ experiment: "a\u0000b" })), { field: "experiment" }],
    ["half a character", JSON.stringify(line({ experiment: "a\ud800" })), { field: "experiment" }],
    ["a name that is a number", JSON.stringify(line({ task: 7 })), { field: "task" }],
    [
      "a negative replicate",
      JSON.stringify(line({ replicate: -1 })),
      { field: "replicate", problem: expect.stringContaining("whole number from 0") },
    ],
    [
      "tokens left out",
      JSON.stringify(line({ input_tokens: undefined })),
      { field: "input_tokens", problem: expect.stringMatching(/^is required: .*whole number/) },
    ],
    ["tokens null", JSON.stringify(line({ input_tokens: null })), { field: "input_tokens" }],
    ["negative tokens", JSON.stringify(line({ output_tokens: -1 })), { field: "output_tokens" }],
    ["half a token", JSON.stringify(line({ output_tokens: 0.5 })), { field: "output_tokens" }],
    ["tokens as text", JSON.stringify(line({ output_tokens: "5" })), { field: "output_tokens" }],
    ["too many tokens", JSON.stringify(line({ output_tokens: 2 ** 53 })), { field: "output_tokens" }],
    [
      "too many tokens together",
      JSON.stringify(line({ output_tokens: 2 ** 53 - 1 })),
      { field: "output_tokens", problem: expect.stringContaining("together") },
    ],
    [
      "negative dollars",
      JSON.stringify(line({ usd: -0.1 })),
      { field: "usd", problem: expect.stringContaining("leave it out") },
    ],
    ["dollars of another form", JSON.stringify(line({ usd: "1e3" })), DOLLARS],
    ["dollars with a comma", JSON.stringify(line({ usd: "0,01" })), DOLLARS],
    ["an empty text of dollars", JSON.stringify(line({ usd: "" })), DOLLARS],
    [
      "a field twice",
      `{"arm":"b",${JSON.stringify(line({ task: 'a:"arm":' })).slice(1)}`,
      { field: "arm", problem: "is there more than once: leave one" },
    ],
    [
      "a field twice, spelt with an escape",
      `${JSON.stringify(line()).slice(0, -1)}, "\\u0074ask" : "t"}`,
      { field: "task", problem: "is there more than once: leave one" },
    ],
    ["negative dollars as text", JSON.stringify(line({ usd: "-1" })), { field: "usd" }],
    ["dollars that are no amount", JSON.stringify(line({ usd: "$5" })), { field: "usd" }],
    ["dollars with 13 decimals", JSON.stringify(line({ usd: "0.1234567890123" })), { field: "usd" }],
    ["too many dollars", JSON.stringify(line({ usd: 1e15 })), { field: "usd" }],
    [
      "an outcome that is no flag",
      JSON.stringify(line({ resolved: 1 })),
      { field: "resolved", problem: "must be true or false" },
    ],
    ["an instant without zone", JSON.stringify(line({ at: "2026-03-01T09:30:00" })), { field: "at" }],
    ["a day that is none", JSON.stringify(line({ at: "2026-02-30T09:30:00Z" })), { field: "at" }],
    [
      "the future",
      JSON.stringify(line({ at: "9999-01-01T00:00:00Z" })),
      { field: "at", problem: "must not be in the future" },
    ],
  ])("%s: is told with its line, and nothing is written", async (_, text, problem) => {
    const books = await test.open();
    const report = await importArms(books.ledger, fileOf(`${JSON.stringify(line({ task: "fine" }))}\n\n${text}\n`));
    expect(report).toMatchObject({ valid: false, new: 0, arms: [], lines: 2, problems: [{ line: 3, ...problem }] });
    expect(report.problems).toHaveLength(1);
    expect(await books.journal()).toBe(0);
  });

  it("every mistake of every line is told", async () => {
    const books = await test.open();
    const report = await load(books, [{}, line({ usd: "x", resolved: "yes", extra: 1 })]);
    expect(report.problems.map(({ line: number, field }) => [number, field])).toEqual([
      [1, "experiment"],
      [1, "arm"],
      [1, "task"],
      [1, "input_tokens"],
      [1, "output_tokens"],
      [2, "usd"],
      [2, "resolved"],
      [2, "extra"],
    ]);
  });

  it('a run given twice names both lines; 1 and "1" are one replicate, and none is another', async () => {
    const books = await test.open();
    const report = await load(books, [
      line({ replicate: 1 }),
      line(),
      line({ replicate: "1" }),
      line({ replicate: null }),
    ]);
    expect(report.problems).toEqual([
      { line: 3, problem: expect.stringContaining("in common with line 1") },
      { line: 4, problem: expect.stringContaining("in common with line 2") },
    ]);
    expect(await books.journal()).toBe(0);
  });

  it("an empty file is no import", async () => {
    const books = await test.open();
    expect(await importArms(books.ledger, fileOf("\n \n"))).toMatchObject({
      valid: false,
      problems: [{ problem: expect.stringContaining("no line") }],
    });
  });

  it("what is no file, or no text, is refused", async () => {
    const books = await test.open();
    const folder = folderOf({});
    await expect(importArms(books.ledger, `${folder}/none`)).rejects.toThrow(/cannot be read \(ENOENT\)/);
    await expect(importArms(books.ledger, folder)).rejects.toThrow(/is no file/);
    const utf16 = Buffer.from(`\ufeff${JSON.stringify(line({ task: "ä" }))}`, "utf16le");
    const file = fileOf([]);
    writeFileSync(file, utf16);
    await expect(importArms(books.ledger, file)).rejects.toThrow(/not UTF-8/);
  });
});

it("a mark of byte order, blank lines and other line ends are no problem", async () => {
  const books = await test.open();
  const text = `\ufeff${JSON.stringify(line({ task: "1" }))}\r\n\r\n  \n${JSON.stringify(line({ task: "2" }))}`;
  expect(await importArms(books.ledger, fileOf(text))).toMatchObject({ new: 2, problems: [] });
});
