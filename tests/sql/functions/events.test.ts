/** What has happened since a cursor: everything once, in order, and no more of the journal read than that takes. */
import { beforeAll, describe, expect, it } from "vitest";
import { openSession } from "../../concurrency/sessions.js";
import { Books } from "../books.js";
import { meter, openPool, openRun, spawnDriver } from "../builders.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

/** The last seq seen of each pool. */
type Cursor = Readonly<Record<string, number>>;
interface Place {
  readonly pool_id: string;
  readonly seq: number;
}
interface Filter {
  readonly run?: string;
  readonly pool?: string;
}

async function events(books: Books, after: Cursor = {}, limit = 1000, filter: Filter = {}): Promise<Place[]> {
  const rows = await books.rows(
    `select pool_id, seq::int, place from ledger.events(
       p_tenant_id => $1, p_after => $2, p_limit => $3, p_run_id => $4, p_pool_id => $5) order by place`,
    JSON.stringify(after),
    limit,
    filter.run ?? null,
    filter.pool ?? null,
  );
  expect(rows.map(({ place }) => place)).toEqual(rows.map((_, index) => index));
  return rows.map(({ pool_id, seq }) => ({ pool_id: String(pool_id), seq: Number(seq) }));
}

/** The same by its definition: the whole journal after the cursor, sorted. */
async function byDefinition(books: Books, after: Cursor, limit: number): Promise<Place[]> {
  const rows = await books.rows(
    `select j.pool_id, j.seq::int from (
       select pool_id, seq, max(recorded_at) over (partition by pool_id order by seq) as at
       from ledger.journal where tenant_id = $1 and seq > coalesce(($2::jsonb ->> pool_id)::bigint, 0)
     ) j order by j.at, j.pool_id collate "C", j.seq limit $3`,
    JSON.stringify(after),
    limit,
  );
  return rows.map(({ pool_id, seq }) => ({ pool_id: String(pool_id), seq: Number(seq) }));
}

/** The cursor after some places; fails where one of them is not the next of its pool. */
function moved(cursor: Cursor, places: readonly Place[]): Cursor {
  const next: Record<string, number> = { ...cursor };
  for (const { pool_id, seq } of places) {
    expect(seq, pool_id).toBe((next[pool_id] ?? 0) + 1);
    next[pool_id] = seq;
  }
  return next;
}

async function heads(books: Books): Promise<Cursor> {
  const rows = await books.rows("select pool_id, seq::int from ledger.pool_heads where tenant_id = $1");
  return Object.fromEntries(rows.map(({ pool_id, seq }) => [pool_id, Number(seq)]));
}

describe("events", () => {
  it.each([1, 2, 7, 1000])("gives the whole journal once, %i at a time", async (limit) => {
    const books = await ledger.open();
    await playHistory(books);
    let cursor: Cursor = {};
    for (let places = await events(books, cursor, limit); places.length > 0; ) {
      expect(places).toEqual(await byDefinition(books, cursor, limit));
      cursor = moved(cursor, places);
      places = await events(books, cursor, limit);
    }
    expect(cursor).toEqual(await heads(books));
  });

  it("merges pools by time, and takes everything of a moment before what is later", async () => {
    const books = await ledger.open();
    await books.ok(openPool("b"), openPool("a"), meter("a"), meter("b"), meter("b"), meter("a"));
    expect(await events(books)).toEqual([
      { pool_id: "b", seq: 1 },
      { pool_id: "a", seq: 1 },
      { pool_id: "a", seq: 2 },
      { pool_id: "b", seq: 2 },
      { pool_id: "b", seq: 3 },
      { pool_id: "a", seq: 3 },
    ]);
    expect(await events(books, { b: 2, a: 2 })).toEqual([
      { pool_id: "b", seq: 3 },
      { pool_id: "a", seq: 3 },
    ]);
  });

  it("does not reorder a pool when the clock is set back", async () => {
    const books = await ledger.open();
    await books.ok(openPool("a"), openPool("b"), meter("a"), meter("b"), meter("a"), meter("b"));
    // Times can only be changed past the trigger, by a superuser.
    await books.client.query("set session_replication_role = replica");
    await books.rows(
      `update ledger_private.journal set recorded_at = recorded_at - interval '1 hour', effective_at = effective_at - interval '1 hour'
       where tenant_id = $1 and pool_id = 'a' and seq = 3`,
    );
    await books.client.query("reset session_replication_role");
    expect(moved({}, await events(books))).toEqual({ a: 3, b: 3 });
    for (const limit of [1, 2, 3, 4, 5, 6])
      expect(await events(books, {}, limit)).toEqual(await byDefinition(books, {}, limit));
  });

  it("gives only a run, with the pools below it, or only a pool, or what is both", async () => {
    const books = await ledger.open();
    await books.ok(
      openPool("top", { tokens: 100 }),
      openRun("run", { tokens: 50 }, { parent_pool_id: "top" }),
      openRun("other", { tokens: 50 }, { parent_pool_id: "top" }),
      spawnDriver("run", "driver", { tokens: 20 }),
      spawnDriver("driver", "below", { tokens: 10 }),
      meter("below"),
    );
    const poolsOf = async (filter: Filter) => [
      ...new Set((await events(books, {}, 1000, filter)).map(({ pool_id }) => pool_id)),
    ];
    expect((await poolsOf({ run: "run" })).sort()).toEqual(["below", "driver", "run"]);
    expect(await poolsOf({ pool: "driver" })).toEqual(["driver"]);
    expect(await poolsOf({ run: "run", pool: "below" })).toEqual(["below"]);
    expect(await poolsOf({ run: "run", pool: "top" })).toEqual([]);
    expect(await poolsOf({ run: "driver" })).toEqual([]);
    expect(await poolsOf({ pool: "nowhere" })).toEqual([]);
    expect(await events(books, { below: 1 }, 1000, { pool: "below" })).toEqual([{ pool_id: "below", seq: 2 }]);
    expect(await events(books, { below: 2, driver: 2, run: 1 }, 1000, { run: "run" })).toEqual([
      { pool_id: "run", seq: 2 },
    ]);
  });

  it("leaves nothing out that commits later", async () => {
    const books = await ledger.open();
    await books.ok(openPool("a"), openPool("b"));
    const late = await openSession(ledger.database);
    await late.begin();
    await late.apply(books.tenantId, [{ operation_id: "late", ...meter("a") }]);
    await books.ok(meter("b"));
    const cursor = moved({}, await events(books));
    expect(cursor).toEqual({ a: 1, b: 2 });
    await late.end("commit");
    expect(await events(books, cursor)).toEqual([{ pool_id: "a", seq: 2 }]);
  });

  it("knows of a pool that a cursor is ahead of nothing, and of one it never heard of nothing", async () => {
    const books = await ledger.open();
    await books.ok(openPool("a"));
    expect(await events(books, { a: 7, nowhere: 3 })).toEqual([]);
  });
});

describe("events over many pools", () => {
  const POOLS = 400;
  /** What the three pools of the last test have beyond seq 5. */
  const NEW = 16 + 6 + 6;
  let books: Books;
  let caughtUp: Cursor;

  beforeAll(async () => {
    books = await Books.open(ledger.client);
    const ids = Array.from({ length: POOLS }, (_, n) => `pool-${n}`);
    await books.apply(ids.map((id) => openPool(id)));
    for (const turns of [ids, ids.slice(0, 50), ids.slice(0, 9), ids.slice(3, 4)]) {
      for (let n = 0; n < 5; n++) await books.apply(turns.map((id) => meter(id)));
    }
    await books.apply(Array.from({ length: 200 }, () => meter("pool-7")));
    caughtUp = await heads(books);
  });

  it.each([1, 3, 50, 399, 1000, 10_000])("are the first %i by their definition", async (limit) => {
    expect(await events(books, {}, limit)).toEqual(await byDefinition(books, {}, limit));
    const some = { ...caughtUp, "pool-3": 4, "pool-7": 2, "pool-50": 0, "pool-399": 5 };
    expect(await events(books, some, limit)).toEqual(await byDefinition(books, some, limit));
  });

  it("reads the rows of pools that moved, not those of the others", async () => {
    const read = async (): Promise<number> => {
      const { fetched } = await books.row(
        `select coalesce(idx_tup_fetch, 0)::int as fetched from pg_stat_xact_all_tables
         where relid = 'ledger_private.journal'::regclass and $1 <> ''`,
      );
      return Number(fetched);
    };
    await books.client.query("begin");
    try {
      const before = await read();
      expect(await events(books, { ...caughtUp, "pool-3": 5, "pool-9": 5, "pool-11": 5 })).toHaveLength(NEW);
      expect(await read()).toBeGreaterThanOrEqual(before + NEW);
      expect(await read()).toBeLessThanOrEqual(before + 3 * NEW);
    } finally {
      await books.client.query("rollback");
    }
  });
});

describe("events refuse", () => {
  it.each([
    ["a list", "[]", 1, "p_after"],
    ["nothing", null, 1, "p_after"],
    ["a seq below 0", '{"a": -1}', 1, "p_after.a"],
    ["half a seq", '{"a": 1.5}', 1, "p_after.a"],
    ["a seq in words", '{"a": "1"}', 1, "p_after.a"],
    ["a seq beyond all numbers", '{"a": 1e300}', 1, "p_after.a"],
    ["no limit", "{}", null, "p_limit"],
    ["a limit of 0", "{}", 0, "p_limit"],
    ["a limit of 10001", "{}", 10_001, "p_limit"],
  ])("%s", async (_what, after, limit, path) => {
    const books = await ledger.open();
    const raised = await books.rows("select * from ledger.events($1, $2, $3)", after, limit).catch((error) => error);
    expect(raised).toMatchObject({ code: "LG001" });
    expect(JSON.parse(raised.detail)).toMatchObject({ path, rule: expect.stringMatching(/must be/) });
  });

  it("a tenant that is none", async () => {
    await expect(ledger.client.query("select * from ledger.events('nobody')")).rejects.toMatchObject({ code: "LG012" });
  });
});
