/**
 * Runs are killed, each several times, at moments drawn by a seed and at named points, and resumed in new processes until they end: the
 * books are in order after every kill, the work is done once, and what the provider billed is in the ledger, or the ledger says that it
 * does not know. KILLS=200 makes it longer.
 */
import pLimit from "p-limit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createSupervisor } from "../../src/supervise/supervisor.js";
import { byCallers } from "../ledger/random.js";
import { type Tenant, useTenants } from "../ledger/tenants.js";
import { chance } from "../setup/chance.js";
import { Cast } from "./kill/agents.js";
import { type Books, complaintsAtAnyMoment, complaintsAtTheEnd, micro, totalsOf } from "./kill/books.js";
import { compileVictim, live, type Program } from "./kill/lives.js";
import { drawPoint, nameOf } from "./kill/points.js";
import { type Provider, startProvider } from "./kill/provider.js";
import { VARIANTS, variantOf } from "./kill/variants.js";
import { BEST, madeOf, ROOT } from "./kill/work.js";

const KILLS = Number(process.env.KILLS ?? 12);
const SEED = Number(process.env.SEED ?? 20261122);
/** Per run, where it does not end before. */
const KILLS_PER_RUN = 4;
/** They wait for leases most of the time. */
const RUNS_AT_ONCE = 5;

const tenants = useTenants();
/** One connection looks on, and one tenant is made at a time. */
const inTurn = pLimit(1);
let program: Program;

beforeAll(async () => {
  program = await compileVictim();
});
afterAll(() => program?.remove());

it(
  `killed ${KILLS} times and resumed, runs end with the work done once and an honest bill`,
  async () => {
    const killed: string[] = [];
    let exact = 0;
    // A run may end before it was killed as often as it was to be: then more runs make up for it.
    for (let first = SEED; killed.length < KILLS; ) {
      const fates = fatesOf(first, KILLS - killed.length);
      first += fates.length;
      await byCallers(RUNS_AT_ONCE, fates, async (fate) => {
        const { kills, isExact } = await liveAndDie(fate);
        killed.push(...kills);
        exact += isExact ? 1 : 0;
      });
    }
    console.log(`killed at: ${killed.join("; ")}. ${exact} runs lost nothing`);
    expect(killed.length).toBe(KILLS);
  },
  60_000 + KILLS * 15_000,
);

/** Runs that are killed so many times together, each with a seed of its own. */
function fatesOf(first: number, kills: number): Fate[] {
  const names = Object.keys(VARIANTS);
  return Array.from({ length: Math.ceil(kills / KILLS_PER_RUN) }, (_, index) => ({
    seed: first + index,
    variant: names[(first + index) % names.length] as string,
    kills: Math.min(KILLS_PER_RUN, kills - index * KILLS_PER_RUN),
  }));
}

it.each(Object.keys(VARIANTS))("never killed, the books are the bill: %s", async (variant) => {
  expect(await liveAndDie({ seed: SEED, variant, kills: 0 })).toEqual({ kills: [], isExact: true });
});

/** One run of a tenant and a provider of its own. */
async function liveAndDie(fate: Fate): Promise<Deaths> {
  const provider = await startProvider();
  try {
    return await lives(await inTurn(() => tenants.tenant()), provider, fate);
  } finally {
    await provider.close();
  }
}

interface Fate {
  readonly seed: number;
  readonly variant: string;
  /** At most. */
  readonly kills: number;
}

interface Deaths {
  readonly kills: readonly string[];
  /** Whether nothing is unknown in the end. */
  readonly isExact: boolean;
}

/** One run, life after life. */
async function lives(tenant: Tenant, provider: Provider, fate: Fate): Promise<Deaths> {
  const { seed, variant } = fate;
  const random = chance(seed);
  const books = booksOf(tenant);
  const orders = { url: tenant.url, tenantId: tenant.id, provider: provider.url, variant };
  const kills: string[] = [];
  for (;;) {
    const point = kills.length < fate.kills ? drawPoint(random) : undefined;
    const story = `seed ${seed}, ${variant}, ${[...kills, point ? nameOf(point) : "to its end"].join("; ")}`;
    const { killed, result, complaint } = await live(program, provider, { ...orders, point });
    expect(complaint, story).toBe("");
    expect(await complaintsAtAnyMoment(books, provider.bill), story).toEqual([]);
    if (killed) {
      kills.push(nameOf(point as NonNullable<typeof point>));
      continue;
    }
    expect(result, story).toMatchObject({ kind: "winner", out: madeOf(BEST), verdict: { valid: true, score: 0.9 } });
    expect(await complaintsAtTheEnd(books, provider.bill), story).toEqual([]);
    return { kills, isExact: await expectTotals(tenant, provider, { variant, story, result }) };
  }
}

/** All readings of the total agree, the result can be had again, and where nothing is unknown the total is the bill. */
async function expectTotals(
  tenant: Tenant,
  provider: Provider,
  { variant, story, result }: { variant: string; story: string; result: unknown },
): Promise<boolean> {
  const ledger = tenant.ledger();
  const { root, unknownUsd } = variantOf(variant);
  const options = { runId: ROOT, budget: root, unknownUsd, leaseMs: 1_500, resume: true };
  const requests = provider.bill.length;
  const again = await createSupervisor({ ledger }).run(
    new Cast(provider.url, variant).driver(ROOT),
    { key: ROOT },
    options,
  );
  expect(JSON.parse(JSON.stringify(again)), story).toEqual(result);
  expect(provider.bill.length, story).toBe(requests);

  const { spentTotal, spendGaps, leakedReservations } = again;
  expect(leakedReservations, story).toEqual([]);
  expect(
    spendGaps.filter(({ gap }) => gap !== "unreported"),
    story,
  ).toEqual([]);
  const { trajectory, committed, uncertain } = await totalsOf(booksOf(tenant));
  expect(committed, story).toEqual(trajectory);
  const { iterations, charged_tokens, usd } = spentTotal;
  expect({ iterations: String(iterations), charged_tokens: String(charged_tokens), usd }, story).toEqual(trajectory);

  const isExact = spendGaps.length === 0 && uncertain === "0";
  const billed = { tokens: 0, microUsd: 0 };
  for (const line of provider.bill) {
    billed.tokens += line.input + line.output;
    billed.microUsd += line.microUsd;
  }
  if (isExact) expect({ tokens: Number(charged_tokens), microUsd: micro(usd) }, story).toEqual(billed);
  return isExact;
}

function booksOf({ id }: Tenant): Books {
  const query = async <T>(text: string): Promise<T[]> =>
    (await inTurn(() => tenants.observer.query(text, [id]))).rows as T[];
  return { tenantId: id, query };
}
