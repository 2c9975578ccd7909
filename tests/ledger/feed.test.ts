/** The feed of events: exactly the journal, whoever writes, wherever a reader stops and goes on. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import type { EventsOptions } from "../../src/ledger/feed.js";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { Operation } from "../../src/ledger/protocol.js";
import { until } from "../concurrency/sessions.js";
import { chance } from "../setup/chance.js";
import { expectExactly, meter, numbers, open, place, read } from "./feed.js";
import { between } from "./random.js";
import { type Tenant, useTenants, via } from "./tenants.js";

const tenants = useTenants();

/** Every place of the journal, of some pools where they are named. */
async function journal({ id }: Tenant, pools?: readonly string[]): Promise<string[]> {
  const { rows } = await tenants.observer.query<{ pool_id: string; seq: string }>(
    `select pool_id, seq from ledger.journal where tenant_id = $1 and ($2::text[] is null or pool_id = any ($2))`,
    [id, pools ?? null],
  );
  return rows.map(place);
}

/** The sessions of that name that listen for hints. */
async function listeners(name: string): Promise<number[]> {
  const { rows } = await tenants.observer.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = $1 and query like '%ledger.follow%' and state = 'idle'",
    [name],
  );
  return rows.map(({ pid }) => pid);
}

it("8 writers on 20 pools: a live reader and one that stops and goes on elsewhere both read exactly the journal", async () => {
  const WRITERS = 8;
  const ROUNDS = 40;
  const tenant = await tenants.tenant();
  const pools = numbers(20).map((index) => `pool-${index}`);
  await tenant.ledger().apply(pools.map((pool) => open(pool)));
  const random = chance(7);
  let writing = true;

  const write = async (writer: number): Promise<void> => {
    const ledger = tenant.ledger();
    for (const round of numbers(ROUNDS)) {
      const batch = numbers(between(random, 1, 5)).map((index) => {
        return meter(pools[between(random, 0, pools.length - 1)] as string, `w${writer}/${round}/${index}`);
      });
      await ledger.apply(batch);
      if (random() < 0.2) await pause(5);
    }
    await ledger.close();
  };
  const live: string[] = [];
  const ended = new AbortController();
  const following = (async () => {
    for await (const { row } of tenant.ledger().events({ signal: ended.signal })) live.push(place(row));
  })();
  /** Each time another program, from the cursor that the last one left. */
  const resuming = (async () => {
    const places: string[] = [];
    let after: string | undefined;
    let stops = 0;
    for (let quiet = false; !quiet; ) {
      quiet = !writing;
      const ledger = tenant.ledger();
      const take = between(random, 1, 60);
      const options = after === undefined ? { follow: false } : { follow: false, after };
      const events = await read(ledger, options, () => random() * take < 1);
      places.push(...events.map(({ row }) => place(row)));
      after = events.at(-1)?.cursor ?? after;
      if (events.length > 0) quiet = false;
      stops += 1;
      await ledger.close();
    }
    return { places, stops };
  })();
  await Promise.all(numbers(WRITERS).map(write));
  writing = false;
  const { places, stops } = await resuming;
  const expected = await journal(tenant);
  await until(async () => live.length >= expected.length, "the live reader has everything");
  ended.abort();
  await following;
  console.log(`${expected.length} events, a reader stopped ${stops} times`);
  expect(expected.length).toBeGreaterThan(WRITERS * ROUNDS);
  expectExactly(live, expected);
  expectExactly(places, expected);
}, 60_000);

it("a run's feed has the pools of the run, a pool's the pool, and `now` only what comes after", async () => {
  const tenant = await tenants.tenant();
  const ledger = tenant.ledger();
  const spawn = (pool_id: string, node_id: string): Operation => {
    const budget = { tokens: 100 };
    return { op: "spawn", operation_id: `spawn/${node_id}`, pool_id, node_id, label: node_id, budget, driver: true };
  };
  await ledger.apply([
    open("r", true),
    open("other", true),
    open("alone"),
    spawn("r", "d"),
    spawn("d", "e"),
    meter("e", "m1"),
  ]);
  const of = async (options: EventsOptions): Promise<string[]> =>
    (await read(ledger, { follow: false, ...options })).map(({ row }) => place(row));
  expectExactly(await of({ run: "r" }), await journal(tenant, ["r", "d", "e"]));
  expectExactly(await of({ pool: "d" }), await journal(tenant, ["d"]));
  expectExactly(await of({ run: "r", pool: "e" }), await journal(tenant, ["e"]));
  expect(await of({ run: "r", pool: "other" })).toEqual([]);
  expect(await of({ run: "nobody's" })).toEqual([]);
  expect(await of({ after: "now" })).toEqual([]);
  expect(await of({ last: 0 })).toEqual([]);
  expect(await of({ pool: "d", last: 1 })).toEqual((await of({ pool: "d" })).slice(-1));
  await ledger.apply([meter("e", "latest")]);
  expect(await of({ run: "r", last: 1 })).toEqual(["e/3"]);
  expectExactly(await of({ last: 100 }), await journal(tenant));

  const scopes: EventsOptions[] = [{}, { run: "r" }, { pool: "e" }];
  const readers = scopes.map((scope) => {
    const seen: string[] = [];
    const ended = read(
      ledger,
      { ...scope, after: "now" },
      ({ row }) => seen.push(row.operation_id) > 0 && row.operation_id === "m3",
    );
    return { seen, ended };
  });
  let markers = 0;
  await until(async () => {
    markers += 1;
    await ledger.apply([meter("e", `marker/${markers}`)]);
    return readers.every(({ seen }) => seen.length > 0);
  }, "each has taken its `now`");
  await ledger.apply([meter("alone", "m2"), open("new")]);
  await ledger.apply([meter("e", "m3")]);
  await Promise.all(readers.map(({ ended }) => ended));
  const told = readers.map(({ seen }) => seen.filter((id) => !id.startsWith("marker/")).sort());
  expect(told).toEqual([["m2", "m3", "open/new"], ["m3"], ["m3"]]);
});

it("a cursor is one of this tenant, run or pool, as it was given", async () => {
  const [tenant, stranger] = [await tenants.tenant(), await tenants.tenant()];
  const ledger = tenant.ledger();
  const others = stranger.ledger();
  for (const one of [ledger, others]) await one.apply([open("p", true), open("q", true)]);
  const cursorOf = async (one: Ledger, scope: EventsOptions): Promise<string> =>
    (await read(one, { follow: false, ...scope })).at(-1)?.cursor ?? "";
  const [all, ofP, theirs] = [
    await cursorOf(ledger, {}),
    await cursorOf(ledger, { pool: "p" }),
    await cursorOf(others, {}),
  ];
  const broken = ["", "x", "now ", all.slice(0, -4), all.toUpperCase(), Buffer.from("{}").toString("base64url")];
  const refused: [string, EventsOptions][] = [
    ...broken.map((after): [string, EventsOptions] => [after, {}]),
    [all, { pool: "p" }],
    [all, { run: "p" }],
    [ofP, {}],
    [ofP, { pool: "q" }],
    [ofP, { run: "p" }],
    [theirs, {}],
  ];
  for (const [after, scope] of refused) {
    const failure = await read(ledger, { ...scope, after, follow: false }).catch((error: unknown) => error);
    expect(failure, after).toMatchObject({ code: "LG001", retryable: false, detail: { path: "after" } });
  }
  for (const [after, scope] of [
    [all, {}],
    [ofP, { pool: "p" }],
  ] as const) {
    expect(await read(ledger, { ...scope, after, follow: false })).toEqual([]);
  }
});

it.each(["__proto__", "constructor", "a/b", 'quote " and \\', "ünï¢ode 🧾"])(
  "goes on in a pool called %s",
  async (name) => {
    const ledger = (await tenants.tenant()).ledger();
    const answers = await ledger.apply([open(name), ...numbers(4).map((index) => meter(name, `m${index}`))]);
    expect(answers.map(({ status }) => status)).toEqual(numbers(5).map(() => "ok"));
    const seqs: string[] = [];
    for (let after: string | undefined; seqs.length < 5; ) {
      const [event] = await read(ledger, { follow: false, ...(after !== undefined && { after }) }, () => true);
      seqs.push(event?.row.seq ?? "none");
      after = event?.cursor;
    }
    expect(seqs).toEqual(["1", "2", "3", "4", "5"]);
  },
);

it("hints of another program come long before the next look, and one that never comes only delays", async () => {
  const NAME = "hinted";
  const tenant = await tenants.tenant();
  const writer = tenant.ledger();
  await writer.apply([open("p")]);
  const reader = tenant.ledger({ connectionString: via(tenant.url, { applicationName: NAME }) });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { row } of reader.events()) seen.push(row.operation_id);
  })();
  const arrives = async (id: string): Promise<void> => {
    await writer.apply([meter("p", id)]);
    await until(async () => seen.includes(id), `${id} arrives`);
  };
  await until(async () => (await listeners(NAME)).length === 1, "it listens");
  const startedAt = Date.now();
  for (const round of numbers(6)) await arrives(`hinted/${round}`);
  // Without hints, each would have waited for a look of its own, 2 s after the last one.
  expect(Date.now() - startedAt).toBeLessThan(6_000);

  // More often than the pool has connections: none of them may stay away.
  for (const round of numbers(12)) {
    await until(async () => (await listeners(NAME)).length === 1, "it listens again");
    await tenants.observer.query("select pg_terminate_backend(unnest($1::int[]))", [await listeners(NAME)]);
    if (round % 4 === 0) await arrives(`unheard/${round}`);
  }
  await arrives("last");
  expect(seen).toEqual(["open/p", ...seen.slice(1)]);
  expect(seen.length).toBe(1 + 6 + 3 + 1);
  await reader.close();
  await reading;
}, 60_000);

it("ends when its signal says so, when its ledger is closed, and when its reader has enough", async () => {
  const NAME = "ending";
  const tenant = await tenants.tenant();
  const ledger = tenant.ledger({ connectionString: via(tenant.url, { applicationName: NAME }) });
  await ledger.apply([open("p"), ...numbers(5).map((index) => meter("p", `m${index}`))]);
  const gone = new AbortController();
  gone.abort();
  expect(await read(ledger, { signal: gone.signal })).toEqual([]);
  const amidst = new AbortController();
  const some = await read(ledger, { signal: amidst.signal }, () => {
    amidst.abort();
    return false;
  });
  expect(some).toHaveLength(1);

  const [first, second] = [new AbortController(), new AbortController()];
  const readers = [{ signal: first.signal }, { signal: second.signal }, {}].map((options) => {
    const seen: string[] = [];
    const ended = read(ledger, options, ({ row }) => {
      seen.push(row.operation_id);
      return false;
    });
    return { seen, ended };
  });
  const allHave = (count: number, who = readers): Promise<void> =>
    until(async () => who.every(({ seen }) => seen.length === count), `they have ${count}`);
  await allHave(6);
  first.abort();
  expect(await readers[0]?.ended).toHaveLength(6);
  // The others still hear.
  await tenant.ledger().apply([meter("p", "late")]);
  await allHave(7, readers.slice(1));
  second.abort();
  expect(await readers[1]?.ended).toHaveLength(7);
  await ledger.close();
  expect(await readers[2]?.ended).toHaveLength(7);
  await until(async () => (await listeners(NAME)).length === 0, "nobody listens");
});

it("2,000 pools: every event once, and again from a cursor amidst them", async () => {
  const POOLS = 2_000;
  const tenant = await tenants.tenant();
  const ledger = tenant.ledger();
  const names = numbers(POOLS).map((index) => `pool-${index}`);
  await ledger.apply(names.map((name) => open(name)));
  await ledger.apply(names.slice(0, 400).map((name) => meter(name, `m/${name}`)));
  const expected = await journal(tenant);
  expect(expected).toHaveLength(2_400);
  const events = await read(ledger, { follow: false });
  expectExactly(
    events.map(({ row }) => place(row)),
    expected,
  );
  const amidst = 1_333;
  const rest = await read(tenant.ledger(), { follow: false, after: events[amidst - 1]?.cursor ?? "" });
  expectExactly(
    [...events.slice(0, amidst), ...rest].map(({ row }) => place(row)),
    expected,
  );
  const end = events.at(-1)?.cursor ?? "";
  await ledger.apply([meter("pool-1999", "after all")]);
  const [late, ...more] = await read(tenant.ledger(), { follow: false, after: end });
  expect([late?.row.operation_id, more]).toEqual(["after all", []]);
  console.log(`a cursor over ${POOLS} pools has ${end.length} characters`);
}, 60_000);
