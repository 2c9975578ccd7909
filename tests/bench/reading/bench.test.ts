/** The benchmark of reading works and its checks can fail. Values only: what takes how long is for `npm run bench -- reading` to say. */
import { describe, expect, inject, it } from "vitest";
import { timeReading } from "./bench.js";
import { type Case, differing, oneValue, type Sizes } from "./case.js";
import { casesOf } from "./cases/all.js";
import { linesOf, tableOf } from "./report.js";

const SIZES: Sizes = { nodes: 40, events: 200, runs: 4, gatedRuns: 4, chains: [2, 4] };
const quiet = (): void => {};
const hurried = (cases: readonly Case[]): Case[] => cases.map((one) => ({ ...one, rounds: 1 }));

describe("the benchmark of reading", () => {
  it("writes sound books of the sizes asked for, and reads them alike by every way", async () => {
    const cases = hurried(casesOf(SIZES));
    const counts: Case = {
      ...countOf("select 1"),
      async check({ superuser }) {
        const nodes = await oneValue(superuser, "select count(*) from ledger.nodes where tenant_id = 'tree'");
        const events = await oneValue(superuser, "select count(*) from ledger.journal where tenant_id = 'tree'");
        const runs = await oneValue(superuser, "select count(*) from ledger.runs where tenant_id = 'many'");
        return differing("sizes", "40 200 4", `${nodes} ${events} ${runs}`);
      },
    };
    const report = await timeReading([...cases, counts], SIZES, quiet, inject("postgres").url);
    expect(report.wrong).toEqual([]);
    expect(report.figures).toHaveLength(2 * (cases.length + 1));
    expect(report.server.server_version).toMatch(/^\d+\./);
    for (const { name } of cases) expect(tableOf(report.figures)).toContain(name);
    expect(linesOf(report)).toContain("nodes 40");
  }, 120_000);

  it("says where answers differ, and where the books are not healthy", async () => {
    const spoilt: Case = {
      ...countOf("select 1"),
      name: "spoilt",
      async check({ superuser }) {
        await superuser.query(
          "update ledger_private.channels set committed = committed + 1 where pool_id = 'root' and channel = 'tokens'",
        );
        return differing("a figure", "1", "2");
      },
    };
    const report = await timeReading([spoilt], SIZES, quiet, inject("postgres").url);
    expect(report.wrong[0]).toBe("spoilt: a figure: expected 1, found 2");
    expect(report.wrong.slice(1).join()).toMatch(/^ledger\.audit of tree: .*"pool_id":"root"/);
  }, 60_000);
});

/** A case about the tree that reads next to nothing. */
function countOf(text: string): Case {
  const work = { what: "one value", run: ({ superuser }: Parameters<Case["check"]>[0]) => superuser.query(text) };
  return {
    name: "counts",
    books: ["tree"],
    baseline: work,
    measured: work,
    target: 1000,
    rounds: 1,
    check: async () => [],
  };
}
