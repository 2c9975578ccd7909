/** Locks first, then a serializable transaction of the client's own: it waits instead of losing, and leaves nothing. */
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { withId } from "../../concurrency/operations.js";
import { advisoryLocks, openSession, type Session, untilWaiting } from "../../concurrency/sessions.js";
import type { Books } from "../books.js";
import { meter, openPool, settleDriver, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
let books: Books;
let locker: Session;
let other: Session;

beforeAll(async () => {
  [locker, other] = await Promise.all([openSession(ledger.database), openSession(ledger.database)]);
});

/** top > mid > low, and `aside`; `top` pays the dollars of all below it. */
beforeEach(async () => {
  books = await ledger.open();
  await books.ok(
    openPool("top", { tokens: 1000, usd: "10" }),
    spawnDriver("top", "mid", { tokens: 100 }),
    spawnDriver("mid", "low", { tokens: 50 }),
    openPool("aside", { tokens: 1000 }),
  );
});

const lockPools = (session: Session, ...pools: string[]) =>
  session.client.query("call ledger.lock_pools($1, $2)", [books.tenantId, pools]);
const takeOver = (session: Session, ...pools: string[]) =>
  session.client.query("select ledger.take_over($1, $2)", [books.tenantId, pools]);
const locks = (session?: Session) => advisoryLocks(ledger.client, session?.pid);

/** Advisory keys that a session holds. */
async function held(session: Session): Promise<string[]> {
  const { rows } = await books.client.query<{ key: string }>(
    `select ((classid::bigint << 32) | objid::bigint)::text as key from pg_locks
     where locktype = 'advisory' and granted and pid = $1`,
    [session.pid],
  );
  return rows.map(({ key }) => key).sort();
}

/** The keys of some pools. */
async function keysOf(...pools: string[]): Promise<string[]> {
  const rows = await books.rows(
    "select p.lock_key::text as key from unnest($2::text[]) i cross join lateral ledger.pools_of($1, jsonb_build_array(jsonb_build_object('op', 'deliver', 'pool_id', i))) p where p.pool_id = i",
    pools,
  );
  return rows.map(({ key }) => String(key)).sort();
}

describe("lock_pools and take_over", () => {
  it("hold the pools named, their payers and the pools above that book, and free them with the transaction", async () => {
    for (const ending of ["commit", "rollback"] as const) {
      await lockPools(locker, "low");
      expect(await held(locker)).toEqual(await keysOf("low", "mid", "top"));
      await locker.begin();
      await takeOver(locker, "low");
      expect(await held(locker)).toEqual(await keysOf("low", "mid", "top"));
      await locker.apply(books.tenantId, [withId(meter("low", { input_tokens: 3, usd: "1" }))]);
      await locker.end(ending);
      expect(await locks()).toEqual([]);
    }
    expect(await books.balance("low", "tokens")).toEqual(["47", "0", "3"]);
  });

  it("wait for a transaction that holds one of them", async () => {
    await other.begin();
    await other.apply(books.tenantId, [withId(meter("top"))]);
    const locked = lockPools(locker, "low", "aside");
    await untilWaiting(ledger.client, locker.pid);
    await other.end("commit");
    await locked;
    await locker.begin();
    await takeOver(locker, "low", "aside");
    await locker.apply(books.tenantId, [withId(meter("top", { input_tokens: 1 }))]);
    await locker.end("commit");
    expect(await locks()).toEqual([]);
  });

  it("make a submit wait, from the call to the end of the transaction, and neither loses", async () => {
    await lockPools(locker, "low");
    const submitted = other.submit(books.tenantId, [withId(meter("mid", { input_tokens: 1 }))]);
    await untilWaiting(ledger.client, other.pid);
    await locker.begin();
    await takeOver(locker, "low");
    const answers = await locker.apply(books.tenantId, [withId(meter("mid", { input_tokens: 2 }))]);
    expect(answers).toMatchObject([{ status: "ok" }]);
    await untilWaiting(ledger.client, other.pid);
    await locker.end("commit");
    expect(await submitted).toMatchObject([{ status: "ok" }]);
    expect(await books.balance("mid", "tokens")).toEqual(["47", "50", "3"]);
    expect(await locks()).toEqual([]);
  });

  it("hold the pools above that book too where one was closed meanwhile", async () => {
    await books.ok(openPool("deep", { tokens: 100 }), spawnDriver("deep", "a", { tokens: 50 }));
    await books.ok(spawnDriver("a", "b", { tokens: 20 }), spawnDriver("b", "c", { tokens: 10 }), settleDriver("c"));
    await other.begin();
    await other.apply(books.tenantId, [withId(settleDriver("b"))]);
    const locked = lockPools(locker, "c");
    await untilWaiting(ledger.client, locker.pid);
    await other.end("commit");
    await locked;
    expect(await held(locker)).toEqual(await keysOf("c", "b", "a"));
    await locker.begin();
    await takeOver(locker, "c");
    expect(await locker.apply(books.tenantId, [withId(meter("c", { input_tokens: 5 }))])).toMatchObject([
      { status: "ok" },
    ]);
    await locker.end("commit");
    expect(await books.balance("a", "tokens")).toEqual(["45", "0", "5"]);
  });

  it("cope with a pool named twice, and with none", async () => {
    for (const pools of [["low", "low"], []]) {
      await lockPools(locker, ...pools);
      await locker.begin();
      await takeOver(locker, ...pools);
      await locker.end("commit");
      expect(await locks()).toEqual([]);
    }
  });
});

describe("lock_pools leaves no lock", () => {
  it.each([
    ["over an unknown pool", () => lockPools(locker, "low", "nowhere"), "LG002"],
    ["for an unknown tenant", () => locker.client.query("call ledger.lock_pools('nobody', '{low}')"), "LG012"],
    ["over null", () => locker.client.query("call ledger.lock_pools($1, null)", [books.tenantId]), "LG001"],
    ["over a null", () => locker.client.query("call ledger.lock_pools($1, '{low,null}')", [books.tenantId]), "LG001"],
    ["over too many", () => lockPools(locker, ...Array.from({ length: 1001 }, () => "low")), "LG001"],
  ])("%s", async (_what, call, code) => {
    await expect(call()).rejects.toMatchObject({ code });
    expect(await locks()).toEqual([]);
  });

  it("inside a transaction block", async () => {
    await locker.begin();
    await expect(lockPools(locker, "low")).rejects.toMatchObject({ code: "2D000" });
    expect(await locks()).toEqual([]);
    await locker.end("rollback");
  });

  it("when it is cancelled while it waits", async () => {
    await other.begin();
    await other.apply(books.tenantId, [withId(meter("aside"))]);
    const locked = lockPools(locker, "low", "aside").catch((error) => error);
    await untilWaiting(ledger.client, locker.pid);
    await books.client.query("select pg_cancel_backend($1)", [locker.pid]);
    expect(await locked).toMatchObject({ code: "57014" });
    await locker.client.query("select");
    expect(await locks(locker)).toEqual([]);
    await other.end("rollback");
  });

  it("when the connection ends before they are taken over", async () => {
    const leaving = await openSession(ledger.database);
    await lockPools(leaving, "low");
    await books.client.query("select pg_terminate_backend($1, 5000)", [leaving.pid]);
    expect(await locks()).toEqual([]);
  });
});

describe("take_over refuses", () => {
  it("pools that the session did not lock, and leaves no lock", async () => {
    await locker.begin();
    await expect(takeOver(locker, "low")).rejects.toMatchObject({ code: "55000" });
    await locker.end("rollback");
    await lockPools(locker, "low");
    await locker.begin();
    await expect(takeOver(locker, "low", "aside")).rejects.toMatchObject({ code: "55000" });
    await locker.end("rollback");
    expect(await locks()).toEqual([]);
  });

  it("a transaction that is not serializable", async () => {
    await locker.client.query("begin isolation level repeatable read");
    await expect(takeOver(locker, "low")).rejects.toMatchObject({ code: "LG006" });
    await locker.end("rollback");
  });
});

describe("many of them beside submits", () => {
  const ROUNDS = 25;

  it("never lose: no 40001 on the same pools", async () => {
    const sessions = await Promise.all([1, 2, 3, 4].map(() => openSession(ledger.database)));
    await locker.client.query("create table public.jobs (id serial primary key, tenant_id text)");
    const transactions = async (session: Session | undefined): Promise<void> => {
      if (!session) throw new Error("no session");
      for (let round = 0; round < ROUNDS; round++) {
        await lockPools(session, "low", "aside");
        await session.begin();
        await takeOver(session, "low", "aside");
        await session.client.query("select * from ledger.channels where tenant_id = $1", [books.tenantId]);
        await session.client.query("insert into public.jobs (tenant_id) values ($1)", [books.tenantId]);
        await session.apply(books.tenantId, [withId(meter("low", { output_tokens: 1 })), withId(meter("aside"))]);
        await session.end("commit");
      }
    };
    const submits = async (session: Session | undefined): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) {
        const answers = await session?.submit(books.tenantId, [withId(meter("low", { output_tokens: 1 }))]);
        expect(answers).toMatchObject([{ status: "ok" }]);
      }
    };
    await Promise.all([
      transactions(sessions[0]),
      transactions(sessions[1]),
      submits(sessions[2]),
      submits(sessions[3]),
    ]);
    expect(await books.balance("low", "tokens")).toEqual([String(50 - 4 * ROUNDS), "0", String(4 * ROUNDS)]);
    expect(await locks()).toEqual([]);
  });
});
