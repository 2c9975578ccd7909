/** Operations older than the replay window go: nothing else does, and what still stands on them says what to do. */
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { describe, expect, it } from "vitest";
import type { Books } from "../books.js";
import { correct, meter, openPool, settle, spawn } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";
import { age, answersOf, archive, countOf } from "../retention.js";

const ledger = useLedger();

/** Prunes a tenant, or all. */
async function prune(tenantId: string | null, olderThan: string | null = null, ...stretch: number[]): Promise<unknown> {
  const places = stretch.map((_, index) => `, $${index + 3}`).join("");
  const { rows } = await ledger.client.query(`call ledger.prune($1, $2${places})`, [tenantId, olderThan, ...stretch]);
  return rows[0].p_result;
}

const kept = async (books: Books): Promise<unknown[]> =>
  (await books.rows("select operation_id from ledger_private.operations where tenant_id = $1 order by 1")).map(
    ({ operation_id }) => operation_id,
  );

describe("pruning", () => {
  it("takes what is older than 30 days, of every tenant or of one", async () => {
    const [books, other] = [await ledger.open(), await ledger.open()];
    for (const each of [books, other]) {
      await each.ok(openPool("p", {}, { operation_id: "old" }), meter("p", {}, { operation_id: "young" }));
      await age(each, 31, "operation_id = 'old'");
      await age(each, 29, "operation_id = 'young'");
    }
    expect(await prune(books.tenantId)).toEqual({ pruned: 1, next_block: null });
    expect(await kept(books)).toEqual(["young"]);
    expect(await kept(other)).toEqual(["old", "young"]);
    expect(await prune(null)).toEqual({ pruned: 1, next_block: null });
    expect(await kept(other)).toEqual(["young"]);
    expect(await prune(null)).toEqual({ pruned: 0, next_block: null });
    expect(await prune(books.tenantId, "10 days")).toEqual({ pruned: 1, next_block: null });
  });

  it("keeps to the window of each tenant", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const short = `tenant-${randomUUID()}`;
    await ledger.client.query("select ledger.create_tenant($1, $2)", [short, { replay_days: 2, plan: "free" }]);
    const operation = [{ op: "open_pool", operation_id: "o", pool_id: "p", channels: {} }];
    await ledger.client.query("call ledger.submit($1, $2, false, null)", [short, JSON.stringify(operation)]);
    const text = "update ledger_private.operations set at = at - interval '3 days' where tenant_id = any ($1)";
    await ledger.client.query(text, [[short, books.tenantId]]);
    await prune(null);
    expect(await kept(books)).toHaveLength(1);
    expect(await prune(short, "1 day")).toMatchObject({ pruned: 0 });
  });

  it("goes stretch by stretch, as far as it is asked to", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const text = `insert into ledger_private.operations (tenant_id, operation_id, digest, at)
      select $1, 'filled-' || n, sha256(''), clock_timestamp() - interval '40 days' from generate_series(1, 3000) n`;
    await books.rows(text);
    const first = (await prune(null, null, 0, 1)) as { pruned: number; next_block: number };
    const { pruned, next_block: next } = first;
    if (next !== null) expect(await prune(null, null, next)).toEqual({ pruned: 3000 - pruned, next_block: null });
    expect(await countOf(books, "operations")).toBe(1);
  });

  it("leaves the books as they are: only refusals go, and what was answered", async () => {
    const books = await ledger.open();
    await playHistory(books);
    await archive(books, "run-a");
    const before = await answersOf(books);
    await age(books, 40);
    await prune(books.tenantId);
    const after = await answersOf(books);
    expect(after.get("refusals")).toEqual([]);
    expect(after.get("health")).not.toEqual(before.get("health"));
    for (const [question, answer] of after) {
      if (question !== "refusals" && question !== "health") expect(answer, question).toEqual(before.get(question));
    }
  });

  it("makes an id new again", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"), meter("p", { input_tokens: 1 }, { operation_id: "m" }));
    expect(await books.do(meter("p", { input_tokens: 1 }, { operation_id: "m" }))).toMatchObject({
      status: "replayed",
    });
    await age(books, 40);
    await prune(books.tenantId);
    expect(await books.ok(meter("p", { input_tokens: 2 }, { operation_id: "m" }))).toMatchObject({ seq: 3 });
  });
});

describe("a correction of what is older than the window", () => {
  it("needs the pool, and then is as any other", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("p", { tokens: 100 }),
      openPool("q", { tokens: 100 }),
      meter("p", { input_tokens: 10 }, { operation_id: "m" }),
      spawn("p", "w", { tokens: 5 }, { operation_id: "s" }),
      settle("w", { input_tokens: 5 }, { operation_id: "e" }),
    );
    await age(books, 40);
    await prune(books.tenantId);
    expect(await books.failed("LG001", correct("m", { input_tokens: 8 }))).toBe("of");
    for (const change of [
      { of: "m", pool_id: "q" },
      { of: "s", pool_id: "p" },
      { of: "none", pool_id: "p" },
    ]) {
      expect(await books.failed("LG001", { ...correct("m", { input_tokens: 8 }), ...change })).toBe("of");
    }
    await books.ok(
      correct("m", { input_tokens: 8 }, { pool_id: "p", operation_id: "c" }),
      correct("e", { input_tokens: 4 }, { pool_id: "p" }),
    );
    expect(await books.failed("LG001", correct("c", {}, { pool_id: "p" }))).toBe("of");
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "12" });
    expect((await books.journal("p")).at(-1)).toMatchObject({ kind: "corrected", corrects_seq: "4", node_id: "w" });
  });

  it("names the pool that booked it, where both are known", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"), openPool("q"), meter("p", { input_tokens: 1 }, { operation_id: "m" }));
    expect(await books.failed("LG001", correct("m", {}, { pool_id: "q" }))).toBe("of");
    await books.ok(correct("m", {}, { pool_id: "p" }));
  });

  it("is of an expired leaf where its operation expired no other there", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 100 }));
    for (const [operation_id, leaves] of [
      ["two", ["a", "b"]],
      ["one", ["c"]],
    ] as const) {
      for (const id of leaves)
        await books.ok(spawn("p", id, { tokens: 9 }, { lease_ms: 1 }), { op: "dispatch", node_id: id });
      // A lease is a millisecond: by now it has passed.
      await books.client.query("select pg_sleep(0.002)");
      await books.ok({ op: "expire", pool_id: "p", operation_id });
    }
    await age(books, 40);
    await prune(books.tenantId);
    expect(await books.failed("LG001", correct("two", { input_tokens: 1 }, { pool_id: "p" }))).toBe("of");
    await books.ok(correct("one", { input_tokens: 1 }, { pool_id: "p" }));
    expect(await books.channel("p", "tokens")).toMatchObject({ committed: "19", uncertain: "18" });
  });
});

describe("what prune is asked", () => {
  it.each([
    [["nobody", null], "LG012", undefined],
    [[null, "23 hours"], "LG001", "p_older_than"],
    [[null, null, -1], "LG001", "p_from"],
  ])("is refused: %j", async (given, code, path) => {
    const failure = await prune(...(given as [string, string])).catch((error) => error);
    expect(failure).toMatchObject({ code });
    expect(JSON.parse((failure as pg.DatabaseError).detail ?? "").path).toBe(path);
  });

  it("is no part of a transaction, nor serializable", async () => {
    await ledger.client.query("begin");
    await expect(prune(null)).rejects.toMatchObject({ code: "2D000" });
    await ledger.client.query("rollback");
    await expect(ledger.client.query("select ledger.prune_some(null)")).rejects.toMatchObject({ code: "55000" });
    const failure = await ledger.client.query("select ledger.prune_some(null, null, 0, 0)").catch((error) => error);
    expect(JSON.parse(failure.detail).path).toBe("p_blocks");
  });

  it.each([0, 1.5, "30", 100_000, null])("takes no window of %j days", async (days) => {
    const making = ledger.client.query("select ledger.create_tenant('x', $1)", [{ replay_days: days }]);
    const failure = await making.catch((error) => error);
    expect(failure).toMatchObject({ code: "LG001" });
    expect(JSON.parse(failure.detail).path).toBe("p_settings.replay_days");
  });
});
