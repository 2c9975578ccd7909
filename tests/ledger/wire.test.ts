/**
 * The way between client and server is cut at any byte: every caller is answered all the same, and what it asked for is there
 * exactly once.
 */
import { afterEach, beforeAll, expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { Answer, Operation } from "../../src/ledger/protocol.js";
import { advisoryLocks, until } from "../concurrency/sessions.js";
import { chance } from "../setup/chance.js";
import { type BadWay, type Fate, startProxy } from "./proxy.js";
import { between, byCallers } from "./random.js";
import { type Tenant, useTenants, via } from "./tenants.js";

const CALLERS = 64;
const POOLS = ["a", "b"];
const proxies: BadWay[] = [];

// Before the ledgers' own: they are closed first.
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});
const tenants = useTenants();

beforeAll(async () => {
  await tenants.database.pool.query("create table deeds (tenant_id text, id text)");
  await tenants.database.pool.query("grant all on deeds to public");
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const meter = (pool_id: string, operation_id: string): Operation => {
  return {
    op: "meter",
    operation_id,
    pool_id,
    spend: { iterations: 0, input_tokens: 1, output_tokens: 0, usd: "0.001" },
  };
};

/** A bad way: a connection is cut after a few calls, in the middle of a message or where an answer was due. */
async function badWay(tenant: Tenant, seed: number, most: { request: number; answer: number }): Promise<BadWay> {
  const random = chance(seed);
  const decide = (): Fate => {
    const cut = (["request", "answer", "silence", "silence"] as const)[between(random, 0, 3)] ?? "never";
    const [low, high] = cut === "request" ? [400, most.request] : [100, most.answer];
    return {
      cut,
      afterBytes: between(random, low, high),
      how: random() < 0.5 ? "end" : "reset",
      delayMs: random() < 0.2 ? between(random, 1, 10) : 0,
    };
  };
  const proxy = await startProxy(tenant.url, decide);
  proxies.push(proxy);
  return proxy;
}

async function openPools(ledger: Ledger): Promise<void> {
  for (const poolId of POOLS) {
    await ledger.openPool({ tokens: 1_000_000, iterations: 100, usd: "1000" }, { poolId, run: { label: poolId } });
  }
}

/** Nothing of the connections that were cut is left on the server; what was under way there is finished. */
async function untilUnlocked(): Promise<void> {
  await until(async () => (await advisoryLocks(tenants.observer)).length === 0, "nothing is locked");
}

interface Booked {
  readonly rows: number;
  readonly operations: number;
}

async function booked(tenantId: string, kind: string): Promise<Booked> {
  const { rows } = await tenants.observer.query<Booked>(
    `select count(*)::int as rows, count(distinct operation_id)::int as operations
     from ledger.journal where tenant_id = $1 and kind = $2`,
    [tenantId, kind],
  );
  return rows[0] as Booked;
}

async function committed(tenantId: string, channel: string): Promise<number> {
  const { rows } = await tenants.observer.query<{ committed: string }>(
    "select sum(committed) as committed from ledger.channels where tenant_id = $1 and channel = $2",
    [tenantId, channel],
  );
  return Number(rows[0]?.committed);
}

it("10,000 debits of 64 callers on one pool: all there once, in far fewer calls", async () => {
  const OBSERVED = 10_000;
  const tenant = await tenants.tenant();
  const ledger = tenant.ledger();
  const pool = await ledger.openPool({ tokens: 1_000_000 }, { poolId: "hot" });
  const seqs = new Set<number | null>();
  await byCallers(CALLERS, numbers(OBSERVED), async () => {
    const { seq } = await pool.observe({ input_tokens: 1, output_tokens: 0, usd: "0.001" });
    seqs.add(seq);
  });
  const { calls, operations } = ledger.statistics();
  console.log(`${OBSERVED} debits by ${CALLERS} callers on one pool: ${calls} calls`);
  expect(seqs.size).toBe(OBSERVED);
  expect(operations).toBe(OBSERVED + 1);
  expect(calls).toBeLessThan(operations / 10);
  expect(await booked(tenant.id, "metered")).toEqual({ rows: OBSERVED, operations: OBSERVED });
  expect(await committed(tenant.id, "tokens")).toBe(OBSERVED);
}, 60_000);

/** What one caller asks, and what it must hear. */
const QUESTIONS: readonly ((pool: string, id: string) => readonly [Operation, code: string | null])[] = [
  (pool, id) => [
    { op: "spawn", operation_id: id, pool_id: pool, label: id, budget: { tokens: 5_000_000, iterations: 1, usd: "1" } },
    "budget-exhausted",
  ],
  (_, id) => [meter("nowhere", id), "LG002"],
  (pool, id) => [{ op: "freeze", operation_id: id, pool_id: pool, reason: 7 }, "LG001"],
  ...numbers(7).map(() => (pool: string, id: string) => [meter(pool, id), null] as const),
];

it.each([1])(
  "connections are cut all the time (seed %i): everybody is answered, everything is there once",
  async (seed) => {
    const ASKED = 2_000;
    const tenant = await tenants.tenant();
    await openPools(tenant.ledger());
    const proxy = await badWay(tenant, seed, { request: 40_000, answer: 16_000 });
    const ledger = tenant.ledger({ connectionString: via(tenant.url, { port: proxy.port }) });
    const wrong: unknown[] = [];
    let answered = 0;
    let replayed = 0;
    await byCallers(CALLERS, numbers(ASKED), async (index) => {
      const pool = POOLS[index % POOLS.length] as string;
      const [operation, code] =
        QUESTIONS[Math.floor(index / POOLS.length) % QUESTIONS.length]?.(pool, `ask/${index}`) ?? [];
      const [answer] = await ledger.apply([operation as Operation]);
      answered += 1;
      if (answer?.status === "replayed") replayed += 1;
      if (!isDue(answer, code ?? null)) wrong.push({ operation, answer });
      // For a while nobody is let in.
      if (answered % 500 === 250) {
        proxy.refusing = true;
        setTimeout(() => {
          proxy.refusing = false;
        }, 150);
      }
    });
    const { retries } = ledger.statistics();
    console.log(`${ASKED} asked, ${JSON.stringify(proxy.cuts)} cut, ${replayed} replayed, ${JSON.stringify(retries)}`);
    expect(wrong).toEqual([]);
    expect(retries.connection).toBeGreaterThan(0);
    expect(Math.min(proxy.cuts.request, proxy.cuts.answer, proxy.cuts.silence)).toBeGreaterThan(0);
    expect(replayed).toBeGreaterThan(0);
    await untilUnlocked();
    const debits = ASKED * 0.7;
    expect(await booked(tenant.id, "metered")).toEqual({ rows: debits, operations: debits });
    expect(await committed(tenant.id, "tokens")).toBe(debits);
    expect(await committed(tenant.id, "usd")).toBeCloseTo(debits / 1_000, 9);
    const refusals = await tenants.observer.query("select from ledger.refusals where tenant_id = $1", [tenant.id]);
    expect(refusals.rowCount).toBe(ASKED / 10);
  },
  60_000,
);

function isDue(answer: Answer | undefined, code: string | null): boolean {
  if (answer?.code !== code || answer.position !== 0) return false;
  if (code === null) return ["ok", "replayed"].includes(answer.status) && typeof answer.result.seq === "number";
  return (code.startsWith("LG") ? ["error"] : ["refused", "replayed"]).includes(answer.status);
}

it("a transaction whose way is cut is in force whole or not at all, and where its end is unknown it says so", async () => {
  const tenant = await tenants.tenant();
  await openPools(tenant.ledger());
  const proxy = await badWay(tenant, 3, { request: 9_000, answer: 6_000 });
  const ledger = tenant.ledger({ connectionString: via(tenant.url, { port: proxy.port }) });
  const codes = new Map<string, string>();
  await byCallers(6, numbers(400), async (index) => {
    const id = `deed/${index}`;
    const pool = POOLS[index % POOLS.length] as string;
    const done = ledger.withTransaction({ pools: [pool] }, async (client, books) => {
      await client.query("insert into deeds values ($1, $2)", [tenant.id, id]);
      const [answer] = await books.apply([meter(pool, id)]);
      return answer?.status;
    });
    codes.set(id, await done.then(String, (error) => String(error.code)));
  });
  await untilUnlocked();
  const { rows } = await tenants.observer.query<{ id: string; deeds: number; debits: number }>(
    `select i.id, (select count(*)::int from deeds d where d.tenant_id = $1 and d.id = i.id) as deeds,
       (select count(*)::int from ledger.journal j where j.tenant_id = $1 and j.operation_id = i.id) as debits
     from unnest($2::text[]) i (id)`,
    [tenant.id, [...codes.keys()]],
  );
  expect(rows.filter(({ deeds, debits }) => deeds !== debits || deeds > 1)).toEqual([]);
  const told = rows.map(({ id, deeds }) => ({ id, told: codes.get(id), deeds }));
  expect(told.filter(({ told, deeds }) => told !== "08007" && (told !== "ok" || deeds !== 1))).toEqual([]);
  const unknown = told.filter(({ told }) => told === "08007");
  const { retries } = ledger.statistics();
  console.log(`${rows.length} transactions, ${JSON.stringify(proxy.cuts)} cut, ${unknown.length} ends unknown`);
  expect(retries.connection).toBeGreaterThan(0);
}, 60_000);
