/** The journal of a closed run leaves for the archive: everything answers as before, nothing else leaves, and life goes on. */
import { beforeAll, describe, expect, it } from "vitest";
import { Books } from "../books.js";
import { correct, meter, openRun, settleDriver, spawn, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";
import { answersOf, archive, countOf, DIGEST, headsOf } from "../retention.js";

const ledger = useLedger();

const archiveText = "call ledger.archive_run($1, $2, $3, $4)";

describe("an archived run", () => {
  it("answers every question as before", async () => {
    const books = await ledger.open();
    await playHistory(books);
    const before = await answersOf(books);
    expect(before.get("audit")).toEqual([]);
    const moved = await archive(books, "run-a");
    expect(moved).toBe(20);
    expect(await countOf(books, "journal_archive")).toBe(moved);
    expect(await countOf(books, "journal", "run_id = 'run-a' and pool_id <> 'project'")).toBe(0);
    expect(await countOf(books, "usage_lines")).toBe(0);
    expect(await countOf(books, "usage_lines_archive")).toBe(2);
    for (const [question, answer] of await answersOf(books)) {
      expect(answer, question).toEqual(before.get(question));
    }
  });

  it("is recorded pool by pool, with what left and what it adds up to", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("r", { tokens: 100, usd: "1" }, { operation_id: "o" }),
      meter("r", { input_tokens: 7, usd: "0.5" }),
      meter("r", { input_tokens: 1, usd_known: false }),
      { op: "close_pool", pool_id: "r" },
    );
    await archive(books, "r");
    const text = `select pool_id, first_seq::int, last_seq::int, run_id, events::int, lines::int, sums, export_digest, archived_by = session_user as mine
      from ledger.archives where tenant_id = $1`;
    const nothing = { funded: 0, held: 0, spent: 0, uncertain: 0, unknown: 0, seals: 0, remainder: 0 };
    expect(await books.rows(text)).toEqual([
      {
        ...{
          pool_id: "r",
          first_seq: 1,
          last_seq: 4,
          run_id: "r",
          events: 4,
          lines: 0,
          export_digest: DIGEST,
          mine: true,
        },
        sums: {
          tokens: { ...nothing, funded: 100, spent: 8 },
          iterations: nothing,
          usd: { ...nothing, funded: 1, spent: 1, uncertain: 0.5, unknown: 1, seals: 1, remainder: 0.5 },
        },
      },
    ]);
  });

  it("takes late spend and corrections, which are archived in their turn", async () => {
    const books = await ledger.open();
    await books.ok(
      openRun("other", {}, { run: { label: "other", experiment: "e", arm: "b", task: "t" } }),
      openRun("r", { tokens: 1000, usd: "9" }, { run: { label: "r", experiment: "e", arm: "a", task: "t" } }),
      spawnDriver("r", "d", { tokens: 500 }),
      spawn("d", "w", { tokens: 100 }, { lease_ms: 1 }),
      { op: "dispatch", node_id: "w" },
      meter(
        "d",
        { input_tokens: 7, usd: "0.5" },
        { operation_id: "m", lines: [{ model: "x", input_tokens: 7, usd: "0.5" }] },
      ),
      { op: "cancel", node_id: "w", reason: "lost", operation_id: "lost" },
      settleDriver("d"),
      { op: "close_pool", pool_id: "r" },
    );
    const first = await archive(books, "r");
    const heads = await headsOf(books, "r");
    await books.ok(
      correct("m", { input_tokens: 9, usd: "0.6" }, { lines: [{ model: "x", input_tokens: 9, usd: "0.6" }] }),
      meter("d", { input_tokens: 1 }, { operation_id: "late" }),
      correct("lost", { input_tokens: 3 }),
      { op: "deliver", pool_id: "d" },
    );
    expect(await books.channel("r", "tokens")).toMatchObject({ committed: "13" });
    expect((await books.journal("d")).map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: Number(heads.d) + 4 }, (_, i) => i + 1),
    );
    const usage =
      "select model, sum(input_tokens)::text as input, sum(usd)::text as usd from ledger.usage_lines where tenant_id = $1 and model = 'x' group by 1";
    expect(await books.rows(usage)).toEqual([{ model: "x", input: "9", usd: "0.6" }]);
    const before = await answersOf(books);
    // The export of then does not hold what came late.
    const { rows } = await ledger.client.query(archiveText, [books.tenantId, "r", JSON.stringify(heads), DIGEST]);
    expect(rows[0].p_result).toEqual({ moved: 0 });
    expect(await archive(books, "r")).toBe(Object.values(await headsOf(books, "r")).reduce((a, b) => a + b, 0) - first);
    expect(await countOf(books, "journal", "pool_id <> 'other'")).toBe(0);
    expect(await answersOf(books)).toEqual(before);
    await books.ok(correct("late", { input_tokens: 2 }), correct("m", { input_tokens: 9, usd: "0.7" }));
    expect(await books.channel("r", "usd")).toMatchObject({ committed: "0.7" });
    expect((await books.do(meter("d", { input_tokens: 1 }, { operation_id: "late" }))).status).toBe("replayed");
  });
});

describe("archiving", () => {
  let books: Books;
  let heads: Record<string, number>;
  beforeAll(async () => {
    books = await Books.open(ledger.client);
    await playHistory(books);
    heads = await headsOf(books, "run-a");
  });

  it.each([
    ["a run that is not", "nope", {}, DIGEST, "LG003", "p_run_id"],
    ["a run that is open", "run-b", {}, DIGEST, "LG001", "p_run_id"],
    ["without a pool of the run", "run-a", { below: undefined }, DIGEST, "LG001", "p_heads"],
    ["more than there is", "run-a", { below: 999 }, DIGEST, "LG001", "p_heads"],
    ["half a row", "run-a", { below: 1.5 }, DIGEST, "LG001", "p_heads"],
    ["by no digest", "run-a", {}, "abc", "LG001", "p_export_digest"],
  ])("is refused: %s", async (_what, run, change, digest, code, path) => {
    const parameters = [books.tenantId, run, JSON.stringify({ ...heads, ...change }), digest];
    const failure = await ledger.client.query(archiveText, parameters).catch((error) => error);
    expect(failure).toMatchObject({ code });
    expect(JSON.parse(failure.detail).path).toBe(path);
    expect(await countOf(books, "archives")).toBe(0);
  });

  it("is no part of a caller's transaction, nor serializable", async () => {
    const parameters = [books.tenantId, "run-a", JSON.stringify(heads), DIGEST];
    await ledger.client.query("begin");
    await expect(ledger.client.query(archiveText, parameters)).rejects.toMatchObject({ code: "2D000" });
    await ledger.client.query("rollback");
    await expect(ledger.client.query("select ledger.archive_some($1, $2, $3, $4)", parameters)).rejects.toMatchObject({
      code: "55000",
    });
  });

  it("can be broken off between its steps, and goes on", async () => {
    const parameters = [books.tenantId, "run-a", JSON.stringify({ ...heads, below: 2, driver: 1 }), DIGEST];
    const before = await answersOf(books);
    await ledger.client.query(archiveText, parameters);
    expect(await answersOf(books)).toEqual(before);
    const all = Object.values(heads).reduce((a, b) => a + b, 0);
    expect(await archive(books, "run-a")).toBe(all - 3 - Number(heads["run-a"]));
    expect(await archive(books, "run-a")).toBe(0);
    expect(await countOf(books, "archives")).toBe(5);
    expect(await books.audit()).toEqual([]);
  });
});
