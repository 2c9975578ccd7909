/** A file that was cut or edited is found: by its digest, and where the digest was made anew, because it does not add up. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLedger } from "../../src/ledger/ledger.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books } from "../sql/books.js";
import { playHistory } from "../sql/history.js";
import { exported, rulesBroken, signed, verified } from "./exporting.js";

let database: TestDatabase;
let lines: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  const books = await Books.open(await database.connect());
  await playHistory(books);
  const ledger = createLedger({ connectionString: database.url, tenantId: books.tenantId });
  lines = await exported(ledger, { blobs: true });
  await ledger.close();
  expect(await books.audit()).toEqual([]);
});

afterAll(async () => {
  await database?.drop();
});

/** The file with one line changed. */
const changed = (at: number, line: string): string[] => lines.with(at, line);

/** Lines whose type is that, by number. */
const linesOf = (type: string): number[] => lines.flatMap((line, at) => (JSON.parse(line).type === type ? [at] : []));

describe("with the footer it was written with", () => {
  it("is not proven without any one of its lines", () => {
    const kept = lines.map((_, at) => verified(lines.toSpliced(at, 1)).proven);
    expect(kept.filter(Boolean)).toEqual([]);
  });

  it("is not proven with any two lines swapped", () => {
    const kept = lines.slice(1).map((line, at) => verified(lines.with(at, line).with(at + 1, lines[at] ?? "")).proven);
    expect(kept.filter(Boolean)).toEqual([]);
  });

  it("is not proven with any one character of an amount changed", () => {
    const survivors: string[] = [];
    lines.forEach((line, at) => {
      // Deterministic and cheap: each place is turned into one other digit.
      for (const { index } of line.matchAll(/\d/g)) {
        const edited = line.slice(0, index) + ((Number(line[index]) + 1) % 10) + line.slice(index + 1);
        if (index % 7 === 0 && verified(changed(at, edited)).proven) survivors.push(`${at}:${index}`);
      }
    });
    expect(survivors).toEqual([]);
  });

  it.each([
    ["cut in a line", () => [...lines.slice(0, 20), lines[20]?.slice(0, 30) ?? ""], "no-footer"],
    ["cut between lines", () => lines.slice(0, 20), "no-footer"],
    ["cut before its last line break", () => lines.with(-1, lines.at(-1)?.trimEnd() ?? ""), "cut-off"],
    ["followed by more", () => [...lines, lines[1] ?? ""], "line-after-footer"],
    ["without its header", () => lines.slice(1), "no-header"],
  ])("is found %s", (_how, make, rule) => {
    expect(rulesBroken(make())).toContain(rule);
  });
});

/** Amounts that balance against others. Usage that is stated once, as `ms`, is covered by the digest alone. */
const BALANCED =
  /"(?:total|free|reserved|committed|uncertain|funded|held|spent|remainder|charged_tokens|iterations|usd|uncertain_\w+)":"-?\d[\d.]*"/g;

describe("with a footer made anew", () => {
  it("is proven where nothing was changed", () => {
    expect(verified(signed(lines))).toMatchObject({ proven: true, findings: [] });
  });

  it("is not proven with any balanced amount changed", () => {
    const survivors: string[] = [];
    let edits = 0;
    lines.forEach((line, at) => {
      if (!/^{"type":"(?:pool|node|event)"/.test(line)) return;
      for (const { index, 0: found } of line.matchAll(BALANCED)) {
        const digit = index + found.search(/\d[\d.]*"$/);
        const edited = line.slice(0, digit) + ((Number(line[digit]) % 9) + 1) + line.slice(digit + 1);
        // Budgets say what was asked; what is held is what moves.
        if (edited === line || line.slice(0, index).endsWith('"budget":{')) continue;
        edits += 1;
        if (verified(signed(changed(at, edited))).proven) survivors.push(`${found} in ${line}`);
      }
    });
    expect(edits).toBeGreaterThan(300);
    expect(survivors).toEqual([]);
  });

  it("is not proven without any one of its pools, nodes or events", () => {
    const needed = ["pool", "node", "event"].flatMap(linesOf);
    const survivors = needed.filter((at) => verified(signed(lines.toSpliced(at, 1))).proven);
    expect(survivors.map((at) => lines[at])).toEqual([]);
  });

  it("is not proven with any event twice, or two of a pool swapped", () => {
    const survivors = linesOf("event").filter((at) => {
      const twice = signed(lines.toSpliced(at, 0, lines[at] ?? ""));
      return verified(twice).proven;
    });
    expect(survivors).toEqual([]);
    const [at = 0] = linesOf("event");
    expect(rulesBroken(signed(lines.with(at, lines[at + 1] ?? "").with(at + 1, lines[at] ?? "")))).toContain(
      "seq-not-dense",
    );
  });

  it.each<[string, RegExp, string, string]>([
    [
      "an ending that never was",
      /("node_id":"open".*)"status":"pending"/,
      '$1"status":"done","outcome":"done"',
      "nodes-differ-from-events",
    ],
    ["another outcome", /("node_id":"leaf".*"outcome":)"done"/, '$1"down"', "nodes-differ-from-events"],
    [
      "a hold that is smaller",
      /("node_id":"open".*"hold":.*"tokens": ")100"/,
      '$199"',
      "reserved-differs-from-open-holds",
    ],
    ["a line of a call", /("lines":\[\{"line":0.*?"input_tokens":)"200"/, '$1"100"', "lines-differ-from-event"],
    ["another prompt", /("kind":"metered".*?"input_tokens":)"100"/, '$1"90"', "charge-differs-from-tokens"],
    ["an artifact", /("type":"blob".*"body":")YW4/, "$1YW5", "blob-differs-from-reference"],
    [
      "another parent",
      /("type":"pool","pool_id":"driver","parent_pool_id":)"run-a"/,
      '$1"run-b"',
      "parent-differs-from-pool",
    ],
  ])("names %s", (_what, pattern, replacement, rule) => {
    const at = lines.findIndex((line) => pattern.test(line));
    expect(at, "there is such a line").toBeGreaterThan(0);
    const verdict = verified(signed(changed(at, lines[at]?.replace(pattern, replacement) ?? "")));
    expect(verdict.findings.map((finding) => finding.rule)).toContain(rule);
  });
});

it("says what should have been charged", () => {
  const at = lines.findIndex((line) => /"kind":"metered".*?"input_tokens":"100"/.test(line));
  const { charged_tokens: charged } = JSON.parse(lines[at] ?? "{}");
  const { findings } = verified(
    signed(changed(at, lines[at]?.replace('"input_tokens":"100"', '"input_tokens":"90"') ?? "")),
  );
  expect(findings.find(({ rule }) => rule === "charge-differs-from-tokens")?.detail).toBe(
    `charged is ${charged}, should be ${Number(charged) - 10}`,
  );
});

it("says where: the line, the pool, the channel and the seq", () => {
  const at = lines.findIndex((line) => /"pool_id":"below".*"kind":"metered"/.test(line));
  const event = JSON.parse(lines[at] ?? "{}");
  const forged = lines[at]?.replace(/("channel":"usd","spent":)"0.05"/, '$1"0.04"') ?? "";
  const { findings } = verified(signed(changed(at, forged)));
  expect(findings[0]).toEqual({
    rule: "usage-differs-from-posting",
    line: at + 1,
    pool_id: "below",
    seq: event.seq,
    channel: "usd",
    detail: "used and posted: usd: 0.05 and 0.04",
  });
  expect(findings.map(({ rule, pool_id, channel }) => ({ rule, pool_id, channel }))).toContainEqual({
    rule: "balance-differs-from-journal",
    pool_id: "below",
    channel: "usd",
  });
});
