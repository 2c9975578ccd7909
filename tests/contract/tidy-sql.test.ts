/** The style of `sql/`, where a reader would otherwise have to insist on it. */
import { describe, expect, it } from "vitest";
import { filesBelow, read } from "./sources.js";

const FOLDERS = ["rules", "private", "operations", "functions", "views", "triggers"];
const LONGEST_LINE = 150;
const LONGEST_FUNCTION = 70;
/** Marks of unfinished work, spelt so that this file has none. */
const LEFTOVERS = new RegExp(`\\b(?:TO${"DO"}|FIX${"ME"})\\b`);
/**
 * The balances of a batch are moved by one statement, the shapes of all operations are one table, and a plain path calls nobody: that
 * would cost as much as a statement more.
 */
const LONG_FUNCTIONS = [
  "sql/private/book_plainly.sql",
  "sql/private/fold_plainly.sql",
  "sql/private/fold_turns.sql",
  "sql/private/move_pools.sql",
  "sql/private/read_plainly.sql",
  "sql/private/spawn_plainly.sql",
  "sql/rules/shape.sql",
];
const PUBLIC = /^sql\/(functions|views)\//;

const files = FOLDERS.flatMap((folder) => filesBelow(`sql/${folder}`, ".sql"));
const everything = filesBelow("sql", ".sql").filter((name) => name !== "sql/schema.snapshot.sql");

/** The SQL without comments and without what stands in quotes; dollar-quoted bodies stay. */
function code(name: string): string {
  return read(name)
    .replaceAll(/--.*$/gm, "")
    .replaceAll(/'(?:[^']|'')*'/g, "''");
}

/** Without what stands in parentheses, so that commas and semicolons separate what they seem to. */
function flat(text: string): string {
  const inner = text.replaceAll(/\([^()]*\)/g, "");
  return inner === text ? text : flat(inner);
}

/** What a file creates: kind and name. */
function created(name: string): string[] {
  const found = code(name).matchAll(/^create (?:or replace )?(function|procedure|view|trigger) ([\w.]+)/gm);
  return [...found].map(([, kind, object]) => `${kind} ${object}`);
}

/** The parameters of each function of a file. */
function parameters(name: string): string[] {
  const lists = code(name).matchAll(/^create or replace (?:function|procedure) [\w.]+\(([^)]*)\)/gm);
  const declarations = [...lists].flatMap(([, list = ""]) => list.split(",")).map((text) => text.trim());
  return declarations
    .filter(Boolean)
    .map((text) => text.replace(/^(?:inout|in|out|variadic) /, "").split(/\s/)[0] ?? "");
}

/** The names that the declare sections of a file declare. */
function locals(name: string): string[] {
  const sections = code(name).matchAll(/^\s*declare\n(.*?)^\s*begin$/gms);
  const declarations = [...sections].flatMap(([, section = ""]) => flat(section).split(";")).map((text) => text.trim());
  return declarations.filter(Boolean).map((text) => text.split(/\s/)[0] ?? "");
}

describe.each(files)("%s", (name) => {
  it("begins with what it is for", () => {
    expect(read(name)).toMatch(/^-- \S.{20}/);
  });

  it("holds one object, named as the file", () => {
    const objects = created(name).filter((object) => !object.startsWith("trigger "));
    const [, base = ""] = /([^/]+)\.sql$/.exec(name) ?? [];
    expect(objects).toHaveLength(1);
    const prefix = { operations: "op_", triggers: "tg_" }[name.split("/")[1] ?? ""] ?? "";
    const part = name.startsWith("sql/views/audit/") ? "audit_" : "";
    expect(objects[0]?.split(".")[1]).toBe(`${prefix}${part}${base}`);
    const triggers = created(name).filter((object) => object.startsWith("trigger "));
    expect(triggers.length > 0).toBe(name.startsWith("sql/triggers/"));
  });

  it("is included once", () => {
    const included = read("sql/all.sql")
      .split("\n")
      .filter((line) => line === `--!include ${name.slice("sql/".length)}`);
    expect(included).toHaveLength(1);
  });

  it("is no longer than can be read", () => {
    if (LONG_FUNCTIONS.includes(name)) return;
    const [, definition = ""] =
      /(^create or replace (?:function|procedure) .*?)(?=^(?:comment|revoke|create) |$(?![\s\S]))/ms.exec(read(name)) ??
      [];
    expect(definition.trimEnd().split("\n").length).toBeLessThanOrEqual(LONGEST_FUNCTION);
  });

  it("calls parameters p_ and locals v_", () => {
    expect(parameters(name).filter((parameter) => !/^p_[a-z_]+$/.test(parameter))).toEqual([]);
    // A function that fills in one value calls it v.
    expect(locals(name).filter((local) => !/^v(_[a-z_]+)?$/.test(local))).toEqual([]);
  });

  it("pins the search path where it runs as its owner, and gives every error a code", () => {
    if (code(name).includes("security definer")) expect(code(name)).toContain("set search_path = pg_catalog, pg_temp");
    for (const [statement] of code(name).matchAll(/raise exception[^;]*;/g)) expect(statement).toContain("errcode");
    expect(code(name)).not.toMatch(/raise (?!exception using|notice)/);
  });
});

describe.each(files.filter((name) => PUBLIC.test(name)))("%s", (name) => {
  it("says what is public about it, and to whom", () => {
    const [object = ""] = created(name);
    const target = object.startsWith("view ") ? object.slice("view ".length) : object;
    expect(read(name)).toContain(`comment on ${object}`);
    expect(read(name)).toMatch(
      new RegExp(`^revoke all on ${target.replace(".", "\\.")}(\\([^)]*\\))? from public;$`, "m"),
    );
    const granted = object.startsWith("view ") ? "grant select on" : "grant execute on";
    expect(read(name)).toMatch(
      new RegExp(`^${granted} ${target.replace(".", "\\.")}(\\([^)]*\\))? to ledger_\\w+`, "m"),
    );
  });
});

describe.each(everything)("%s", (name) => {
  it("has short lines, no tabs and no trailing blanks", () => {
    const lines = read(name).split("\n");
    expect(lines.filter((line) => line.length > LONGEST_LINE)).toEqual([]);
    expect(lines.filter((line) => /\t|\s$/.test(line))).toEqual([]);
  });

  it("is written in lower case and finished", () => {
    expect(code(name).match(/\b[A-Z]{2,}\b/g) ?? []).toEqual([]);
    expect(read(name)).not.toMatch(LEFTOVERS);
  });
});

describe("sql/all.sql", () => {
  it("includes what is there, and nothing else", () => {
    const included = [...read("sql/all.sql").matchAll(/^--!include (.*)$/gm)].map(([, name]) => `sql/${name}`);
    const alone = ["sql/all.sql", "sql/roles.sql"];
    expect(included.sort()).toEqual(everything.filter((name) => !alone.includes(name)).sort());
  });

  it("includes what a file needs before it", () => {
    const order = [...read("sql/all.sql").matchAll(/^--!include (.*)$/gm)].map(([, name]) => `sql/${name}`);
    const homes = new Map(
      files.flatMap((name) => created(name).map((object) => [object.split(" ")[1] ?? "", name] as const)),
    );
    for (const name of order.filter((one) => one.startsWith("sql/views/"))) {
      const used = [...code(name).matchAll(/\b(?:from|join) (ledger(?:_private)?\.\w+)/g)].map(
        ([, object = ""]) => object,
      );
      for (const home of used.map((object) => homes.get(object)).filter((one) => one !== undefined)) {
        expect(order.indexOf(home), `${home} before ${name}`).toBeLessThanOrEqual(order.indexOf(name));
      }
    }
  });
});
