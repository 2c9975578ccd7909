/** Results under a pool that pays for them, and may refuse. */
import { describe, expect, it } from "vitest";
import { line, load, runs } from "./arm-lines.js";
import { type Books, useBooks } from "./books.js";

const test = useBooks();

describe("under a parent", () => {
  const channels = (books: Books, pool: string) =>
    books.rows(
      `select channel, total::text, free::text, reserved::text, committed::text, measured, sealed from ledger.channels
       where tenant_id = $1 and pool_id = $2 order by channel`,
      pool,
    );

  it("runs are settled there, with what they spent", async () => {
    const books = await test.open();
    await books.ledger.openPool({ tokens: 1000, iterations: 5, usd: "10" }, { poolId: "p" });
    const report = await load(books, [line({ task: "1", resolved: true }), line({ task: "2", usd: "0.25" })], {
      parent: "p",
    });
    expect(report).toMatchObject({ new: 2, failed: 0 });
    expect(await channels(books, "p")).toEqual([
      { channel: "iterations", total: "5", free: "5", reserved: "0", committed: "0", measured: true, sealed: false },
      { channel: "tokens", total: "1000", free: "760", reserved: "0", committed: "240", measured: true, sealed: false },
      { channel: "usd", total: "10", free: "9.25", reserved: "0", committed: "0.75", measured: true, sealed: false },
    ]);
    expect((await runs(books)).map(({ outcome }) => outcome)).toEqual(["done", "done"]);
    expect(await load(books, [line({ task: "2", usd: "0.25" })], { parent: "p" })).toMatchObject({ existing: 1 });
    const otherwise = await load(books, [line({ task: "2", usd: "0.26" })], { parent: "p" });
    expect(otherwise.problems).toEqual([{ line: 1, problem: expect.stringContaining("of: arms:e/a/2:metered") }]);
    expect(await load(books, [line({ task: "2", usd: "0.25" })])).toMatchObject({ failed: 1 });
  });

  it("what has no room is told by line and comes in when there is room; what has, goes on", async () => {
    const books = await test.open();
    await books.ledger.openPool({ tokens: 300 }, { poolId: "p" });
    const lines = ["1", "2", "3", "4"].map((task) => line({ task, ...(task === "4" && { input_tokens: 0 }) }));
    const report = await load(books, lines, { parent: "p" });
    expect(report).toMatchObject({ new: 3, failed: 1, arms: [{ runs: 3, tokens: "260" }] });
    expect(report.problems).toEqual([
      {
        line: 3,
        problem:
          "not imported: refused, budget-exhausted, tokens: 120 asked, 60 free; import the file again when its pool has room",
      },
    ]);
    await books.ledger.pool("p").fund({ tokens: 100 });
    expect(await load(books, lines, { parent: "p" })).toMatchObject({ new: 1, existing: 3, failed: 0 });
    expect((await channels(books, "p"))[1]).toMatchObject({ free: "20", committed: "380" });
  });

  it.each([
    ["closed", "close_pool", "pool-closed; a closed pool takes nothing more: choose another --parent"],
    ["frozen", "freeze", "pool-frozen; agent-ledger pool thaw lets the frozen pool go on: then import the file again"],
  ])("one that is %s takes nothing, and the line says what to do", async (_, op, why) => {
    const books = await test.open();
    await books.ledger.openPool({ usd: "5" }, { poolId: "p" });
    expect(await books.ledger.apply([{ op, operation_id: op, pool_id: "p" }])).toMatchObject([{ status: "ok" }]);
    const report = await load(books, [line()], { parent: "p" });
    expect(report.problems).toEqual([{ line: 1, problem: `not imported: refused, ${why}` }]);
  });

  it("unknown dollars seal a pool that caps them, and what comes after says so", async () => {
    const books = await test.open();
    await books.ledger.openPool({ usd: "5" }, { poolId: "p" });
    const lines = [line({ task: "1" }), line({ task: "2", usd: undefined }), line({ task: "3" })];
    const report = await load(books, lines, { parent: "p" });
    expect(report).toMatchObject({ new: 2, failed: 1 });
    expect(report.problems).toEqual([
      { line: 3, problem: expect.stringContaining("usd-sealed; dollars nobody reported") },
    ]);
    expect((await channels(books, "p")).at(-1)).toMatchObject({ channel: "usd", sealed: true, measured: false });
  });

  it("a pool that caps nothing lets the one above pay, and what is spent already is not refused", async () => {
    const books = await test.open();
    await books.ledger.openPool({ usd: "1" }, { poolId: "above" });
    await books.ledger.openPool({}, { poolId: "p", parentPoolId: "above" });
    const report = await load(books, [line({ task: "1" }), line({ task: "2", usd: 0.75 }), line({ task: "3" })], {
      parent: "p",
    });
    expect(report).toMatchObject({ new: 2, failed: 1 });
    expect(report.problems).toEqual([
      { line: 3, problem: expect.stringContaining("budget-exhausted, usd: 0 asked, -0.25 free") },
    ]);
    expect((await channels(books, "above")).at(-1)).toMatchObject({ free: "-0.25", reserved: "0", committed: "1.25" });
  });

  it("one that is not there, or is within a run, is refused", async () => {
    const books = await test.open();
    await books.ledger.openPool({}, { poolId: "r", run: { label: "r" } });
    await expect(load(books, [line()], { parent: "none" })).rejects.toThrow(/There is no pool none/);
    await expect(load(books, [line()], { parent: "r" })).rejects.toThrow(/belongs to the run r/);
    expect(await books.journal()).toBe(1);
  });
});
