/** Files of prices: what they may hold, and how what is wrong in them is named. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readPriceFile } from "../../src/prices/file.js";

function file(name: string, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), "prices-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const ROW = { provider: "acme", model: "large", token_class: "input", usd_per_million: 2.5 };

const lines = (...rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

describe("a file of prices", () => {
  it.each([
    ["own.json", JSON.stringify([ROW, { ...ROW, token_class: "output", usd_per_million: "10.000001" }])],
    ["own.jsonl", `\uFEFF${lines(ROW)}\n${lines({ ...ROW, token_class: "output", usd_per_million: "10.000001" })}`],
  ])("%s is read, exact, and named after its content", async (name, content) => {
    const found = await readPriceFile(file(name, content));
    expect(found).toMatchObject({
      book: expect.stringMatching(/^own\.jsonl?@[0-9a-f]{12}$/),
      source: name,
      prices: [
        { ...ROW, usd_per_million: "2.5" },
        { ...ROW, token_class: "output", usd_per_million: "10.000001" },
      ],
    });
    expect(await readPriceFile(file(name, content))).toEqual(found);
    expect((await readPriceFile(file(name, `${content} \n`))).book).not.toBe(found.book);
  });

  it("takes a date for its midnight in UTC", async () => {
    const row = { ...ROW, valid_from: "2026-01-31", valid_to: "2026-02-01T00:00:00+02:00" };
    const { prices } = await readPriceFile(file("own.jsonl", lines(row)));
    expect(prices).toMatchObject([{ valid_from: "2026-01-31T00:00:00Z", valid_to: "2026-02-01T00:00:00+02:00" }]);
  });

  it.each<[string, object, string]>([
    ["a missing field", { model: undefined }, "line 2: model: is required: it must be a text of 1 to 200 characters"],
    [
      "an unknown field",
      { price: 1 },
      "line 2: price: is no field of a price: remove it, or correct its spelling (fields: provider, model, match, ",
    ],
    ["a match", { match: "regex" }, "line 2: match: must be one of exact, dated, prefix, contains"],
    ["a price below nothing", { usd_per_million: -1 }, "line 2: usd_per_million: must be dollars per million"],
    [
      "a price with 7 decimals",
      { usd_per_million: "0.0000001" },
      "line 2: usd_per_million: must be dollars per million",
    ],
    ["a day that is none", { valid_from: "2026-02-30" }, "line 2: valid_from: must be a date (YYYY-MM-DD, in UTC)"],
    ["an instant without a zone", { valid_from: "2026-02-03T00:00:00" }, "line 2: valid_from: must be a date"],
    [
      "an end before the beginning",
      { valid_from: "2026-02-03", valid_to: "2026-02-03" },
      "line 2: valid_to: must be after valid_from",
    ],
    ["a part of a token", { above_input_tokens: 0.5 }, "line 2: above_input_tokens: must be a whole number of tokens"],
    [
      "a missing price",
      { usd_per_million: undefined },
      "line 2: usd_per_million: is required: it must be dollars per million",
    ],
    ["a price that is no amount", { usd_per_million: {} }, "line 2: usd_per_million: must be dollars per million"],
    ["a missing class", { token_class: undefined }, "line 2: token_class: is required: it must be one of input, "],
    ["a class of another name", { token_class: "prompt" }, "line 2: token_class: must be one of input, cache_read, "],
    ["an empty name", { model: "" }, "line 2: model: must be a text of 1 to 200 characters"],
    ["an instant that is a number", { valid_to: 3 }, "line 2: valid_to: must be a date"],
  ])("%s is named with its line, field and rule", async (_, wrong, message) => {
    const path = file("own.jsonl", lines(ROW, { ...ROW, token_class: "output", ...wrong }));
    await expect(readPriceFile(path)).rejects.toThrow(message);
    await expect(readPriceFile(path)).rejects.toThrow("own.jsonl: nothing was written");
  });

  it.each(["[1]", "null", "7"])("%s is no price", async (row) => {
    const path = file("own.jsonl", `${lines(ROW)}${row}`);
    await expect(readPriceFile(path)).rejects.toThrow("line 2: must be an object with the fields of a price");
  });

  it("names every malformed row, up to twenty", async () => {
    const bad = { ...ROW, provider: 7 };
    const message = await readPriceFile(file("own.json", JSON.stringify(Array(22).fill(bad)))).catch(String);
    expect(
      String(message)
        .split("\n")
        .slice(1)
        .map((line) => line.replace(/: .*/, "")),
    ).toEqual([...Array.from({ length: 20 }, (_, index) => `row ${index + 1}`), "and 2 more"]);
  });

  it.each([
    ["own.jsonl", "{\n", "line 1: is no JSON"],
    ["own.json", "{}", "give an array of prices, or one per line in a .jsonl file"],
    ["own.json", "provider,model\n", "is no JSON"],
    ["own.json", "[]", "holds no price"],
    ["own.jsonl", "\n", "holds no price"],
  ])("%s of %j is refused", async (name, content, message) => {
    await expect(readPriceFile(file(name, content))).rejects.toThrow(message);
  });

  it("that is not there is said so", async () => {
    await expect(readPriceFile("/nowhere/own.json")).rejects.toThrow("/nowhere/own.json cannot be read: ENOENT");
  });
});
