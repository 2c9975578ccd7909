/** The benchmark of writing works, and its checks can fail. Values only: what is how fast is for `npm run bench` to say. */
import { afterAll, describe, expect, inject, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../setup/database.js";
import { timeWriting } from "./bench.js";
import { checked, differences, openBooks, poolIds } from "./books.js";
import { type Case, SMALL } from "./case.js";
import { absolute, atLeast, atMost, known, ratio, retriesOf, single } from "./figures.js";
import { accounted, type Load, type Told } from "./loads/load.js";
import { withLoads } from "./loads/sides.js";
import type { Database, Place } from "./place.js";
import { plotOf } from "./plot.js";
import { figuresOf, tableOf, wrongOf } from "./report.js";
import { takeTurns } from "./rounds.js";

const made: TestDatabase[] = [];
afterAll(() => Promise.all(made.map((database) => database.drop())));

async function ledger(): Promise<Database> {
  const database = await createTestDatabase();
  made.push(database);
  const { url } = database;
  const superuser = await database.connect();
  return { url, writerUrl: url, superuser, neverAnalyze: async () => {}, drop: async () => {} };
}

const place: Place = {
  ledger,
  bare: ledger,
  dropAll: async () => {},
  close: async () => {},
  url: inject("postgres").url,
};

/** A load that only says what it did: so much a turn, in a second. */
function saying(done: number, told: Told = {}, retries = 0): Load {
  const latency = { p50: 1, p99: 2, longest: 3 };
  const rest = { ms: 1000, transactions: 100, retries, latency, rssMb: 10, heapMb: 5, told, failures: [] };
  return accounted(
    async () => ({ done, ...rest }),
    async () => {},
  );
}

const quiet = (): void => {};

describe("the benchmark of writing", () => {
  const POOLS = poolIds(2);
  const hurried: Case = {
    name: "hurried",
    about: "the ledger's client in a process of its own",
    run: ({ place, options }) =>
      withLoads(async (loads) => {
        const database = await place.ledger();
        await openBooks(database, "acme", POOLS);
        const job = { work: "pair", url: database.writerUrl, tenant: "acme", pools: POOLS, callers: 4 } as const;
        const load = await loads.start(job);
        const { pairs } = await takeTurns({ pairs: { what: "pairs", load } }, options);
        const wrong = await checked(database, "acme", [load]);
        // What nobody was told of, and what was told and is not there.
        await database.superuser.query(
          "update ledger_private.channels set committed = committed + 1, free = free - 1 where channel = 'tokens' and pool_id = $1",
          [POOLS[0]],
        );
        const invented = saying(1, { settled: 1 });
        await invented.turn(1);
        const spoilt = await checked(database, "acme", [load, invented]);
        return {
          figures: [absolute("pairs", pairs, atLeast(0), { unit: "/s", of: ({ done }) => done })],
          wrong,
          notes: spoilt,
        };
      }),
  };

  it("books what callers are told, and says so where it is not", async () => {
    const report = await timeWriting([hurried], { ...SMALL, rounds: 1, seconds: 0.1 }, quiet, place);
    expect(wrongOf(report)).toEqual([]);
    const [figure] = figuresOf(report);
    expect(figure?.measured.median).toBeGreaterThan(0);
    expect(figure?.measured.transactions).toBeGreaterThan(0);
    const [spoilt] = report.cases.map(({ notes }) => notes.join("\n"));
    expect(spoilt).toMatch(/told \d+ settled, the books hold/);
    expect(spoilt).toMatch(/told \d+ committed_tokens, the books hold/);
    expect(spoilt).toMatch(/ledger\.audit of acme: .*"pool_id":"pools000000000001"/);
    expect(report.server.server_version).toMatch(/^\d+\./);
  }, 60_000);

  it("tells a call that failed, a row too many and one too few", async () => {
    const failed = { ...saying(0), failures: ["Error: no room"] };
    expect(differences("books", [failed], {})).toEqual(["books: Error: no room"]);
    const load = saying(0, { metered: 3 });
    await load.turn(1);
    expect(differences("books", [load], { metered: 13 }, { metered: 10 })).toEqual([]);
    const two = differences("books", [load], { metered: 2 });
    expect(two).toEqual(["books: callers were told 3 metered, the books hold 2"]);
    expect(differences("books", [load], { metered: 4 })).toHaveLength(1);
  });
});

describe("figures", () => {
  it("are met or missed by the median, and seen in the table and in the picture", async () => {
    const sides = { fast: { what: "fast", load: saying(50) }, slow: { what: "slow", load: saying(10, {}, 30) } };
    const { fast, slow } = await takeTurns(sides, { rounds: 2, seconds: 0.01 });
    const figures = [
      ratio("a", fast, slow, atLeast(5)),
      ratio("b", fast, slow, atLeast(6)),
      retriesOf("c", slow, 0.3),
      retriesOf("d", slow, 0.2),
      known("e", "bytes per event", single("journal", 401), atMost(400)),
      ratio("f", slow, fast, null),
    ];
    expect(figures.map(({ met }) => met)).toEqual([true, false, true, false, false, null]);
    expect(figures.map(({ value }) => value.median)).toEqual([5, 5, 0.3, 0.3, 401, 0.2]);
    expect(tableOf(figures).match(/MISSED|60\/200/g)).toEqual([
      "60/200",
      "60/200",
      "MISSED",
      "60/200",
      "60/200",
      "MISSED",
      "MISSED",
      "60/200",
    ]);
    const facts = { version: "0", cores: 2, server_version: "18" };
    const cases = [{ name: "made up", about: "", seconds: 0, figures, wrong: [], notes: [] }];
    const shown = { shape: 1, date: "2026-01-01", ledger: facts, machine: facts, server: facts } as const;
    const svg = await plotOf({ ...shown, generator: "node", options: SMALL, cases });
    for (const text of ["<svg", "a — fast : slow", "5×", "(≥ 6)", "e — journal (bytes per event)"])
      expect(svg).toContain(text);
  });
});
