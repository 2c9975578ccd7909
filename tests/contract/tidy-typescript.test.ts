/** The style of `src/` and `tests/`, and what SQL the client may issue. */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { filesBelow, pathOf, read } from "./sources.js";

const LONGEST_FILE = 300;
/** Nobody reads it in one go, and nobody edits it. */
const GENERATED = /\.generated\.ts$/;
/** Marks of unfinished work, spelt so that this file has none. */
const LEFTOVERS = new RegExp(`\\b(?:TO${"DO"}|FIX${"ME"})\\b`);
const NO_ROOMS = /^(?:utils?|common|misc|helpers?)$/;

/** Modules that manage databases, roles and the schema itself, where there is no function of ours to call yet. */
const MANAGEMENT = [
  "src/database/embedded.ts",
  "src/database/migrate.ts",
  "src/database/provision.ts",
  "src/database/snapshot-queries.ts",
  "src/database/users.ts",
  "src/database/view-types.ts",
];

const sources = filesBelow("src", ".ts");
const everything = [...sources, ...filesBelow("tests", ".ts"), ...filesBelow("migrations", ".ts")];

describe("every file", () => {
  it.each(everything)("%s can be read in one go, and has a name that says something", (name) => {
    const text = read(name);
    if (!GENERATED.test(name)) expect(text.split("\n").length - 1).toBeLessThanOrEqual(LONGEST_FILE);
    const parts = name.split("/").flatMap((part) => part.replace(/(\.test)?\.ts$/, "").split(/[-.]/));
    expect(parts.filter((part) => NO_ROOMS.test(part))).toEqual([]);
    expect(text).not.toMatch(LEFTOVERS);
  });

  it.each(everything.filter((name) => name.endsWith(".test.ts")))("%s runs all of its tests", (name) => {
    expect(read(name)).not.toMatch(/\b(?:it|test|describe)\.(?:only|skip|todo|fails)\b/);
  });
});

/** The string and template literals of a module, and comments that look like them. */
function literals(text: string): string[] {
  const withoutComments = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  return withoutComments.match(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g) ?? [];
}

/** How statements begin; prose that begins with the same word goes on otherwise. */
const STATEMENTS = [
  /^select\b.*(?:\bfrom\b|\(|\d)/is,
  /^call\s+[\w.]+\(/i,
  /^with\s+(?:recursive\s+)?\w+\s+as\b/i,
  /^insert\s+into\b/i,
  /^update\s+[\w.]+\s+(?:\w+\s+)?set\b/i,
  /^(?:delete\s+from|merge\s+into|truncate|copy|explain)\s+[\w.(]+/i,
  /^(?:create|alter|drop)\s+(?:or\s+replace\s+|temp\w*\s+|unique\s+)*(?:table|view|index|role|user|database|schema|function|procedure|trigger|type|extension|policy|sequence)\b/i,
  /^(?:grant|revoke)\s.*\s(?:to|from)\s/is,
  /^(?:listen|notify)\s+[\w"]+$/i,
  /^do\s+\$/i,
];
/** What a statement may read: views of schema ledger, and functions of it in place of a table. */
const SOURCE = /\b(?:from|join|into|update)\s+(?:lateral\s+)?([\w.$"{}]+)/gi;

/** What a literal that is SQL does besides calling functions and reading views of schema ledger. */
function trespass(literal: string): string | undefined {
  const text = literal.slice(1, -1).trim();
  if (!STATEMENTS.some((form) => form.test(text))) return undefined;
  if (!/^(?:select|call|with)\b/i.test(text)) return literal;
  const names = [...literal.matchAll(SOURCE)].map(([, name = ""]) => name);
  const foreign = names.filter((name) => !name.startsWith("ledger."));
  const calls = [...literal.matchAll(/\b([a-z_]+)\.[a-z_]+\s*\(/g)].map(([, schema]) => schema);
  const speaksOfLedger = names.length > 0 || calls.includes("ledger");
  return foreign.length > 0 || calls.some((schema) => schema !== "ledger") || !speaksOfLedger ? literal : undefined;
}

describe("the client", () => {
  it.each(sources.filter((name) => !MANAGEMENT.includes(name)))(
    "%s calls functions and reads views of schema ledger, and issues no other SQL",
    (name) => {
      expect(read(name)).not.toContain("ledger_private.");
      expect(
        literals(read(name))
          .map(trespass)
          .filter((found) => found !== undefined),
      ).toEqual([]);
    },
  );

  it("has no exception that is gone", () => {
    expect(MANAGEMENT.filter((name) => !existsSync(pathOf(name)))).toEqual([]);
  });

  it.each([
    '"select * from ledger_private.journal"',
    '"insert into ledger.journal values (1)"',
    '"update ledger.channels set free = 0"',
    '"select now()"',
    '"select pg_advisory_lock(1)"',
    "`select * from ledger.pools p join nodes n on true`",
    '"select * from ledger.pools, lateral pg_catalog.pg_sleep(1)"',
    "'delete from jobs'",
    '"create role somebody login"',
    "`alter table ledger_private.nodes add column x int`",
    '"grant select on ledger.pools to somebody"',
    '"listen ledger"',
    '"with x as (select 1) select * from x"',
  ])("would be caught issuing %s", (literal) => {
    expect(trespass(literal)).toBe(literal);
  });

  it.each([
    '"select * from ledger.pools where tenant_id = $1"',
    '"call ledger.submit(p_tenant_id => $1, p_operations => $2, p_atomic => $3, p_results => null)"',
    '"select ledger.put_blob(p_tenant_id => $1, p_body => $2)"',
    '"select * from ledger.pools_of(p_tenant_id => $1, p_operations => $2)"',
    "`select p.* from ledger.pools p join ledger.channels c using (tenant_id, pool_id)`",
    '"begin isolation level serializable"',
    '"select a channel"',
    '"create a tenant first"',
    '"update the role"',
    '"with a lease (in ms)"',
    '"do not call this"',
  ])("may hold %s", (literal) => {
    expect(trespass(literal)).toBeUndefined();
  });
});
