/** A journal of ten million events, beside an empty one. */
import { sequentialScans, writeEveryKind } from "../../../sql/plans/scans.js";
import { audit, booked, checked, openBooks, poolIds } from "../books.js";
import type { Bench, Case, Outcome } from "../case.js";
import { atLeast, atMost, known, ratio, single } from "../figures.js";
import { fill } from "../fill.js";
import { type Loads, withLoads } from "../loads/sides.js";
import { manyPools } from "../many-pools.js";
import type { Database } from "../place.js";
import { takeTurns } from "../rounds.js";
import { storedFigures } from "./storage.js";

/** Who is measured where, so that each has an account of its own. */
const [SINGLE, HOT, PAIRS, PLANS] = ["single", "hot", "pairs", "plans"] as const;

export const large: Case = {
  name: "large",
  about:
    "after 10,000,000 events: the hot pool, pairs and 64 pools again, beside an empty journal; plans of every write",
  run: (bench) =>
    withLoads(async (loads) => {
      const { place, options, log } = bench;
      const database = await place.ledger();
      const { superuser } = database;
      const filled = await fill(database, { tenants: [SINGLE, HOT, PAIRS, PLANS], events: options.events }, log);
      log(`${filled.events} events in ${filled.seconds.toFixed(0)} s; vacuum, analyze, checkpoint …`);
      await superuser.query("vacuum (analyze)");
      await superuser.query("checkpoint");
      const scans = await sequentialScans(superuser, () => writeEveryKind(superuser, PLANS, "plans"));
      const hot = await besideEmpty(loads, bench, database, await place.ledger());
      const before = await booked(superuser, SINGLE);
      const many = await manyPools(loads, bench, { name: "many-pools-large", database, tenant: SINGLE, before });
      const stored = await storedFigures("large", database, false);
      return {
        figures: [
          ...hot.figures,
          known("large-plans", "sequential scans", single("every kind of write", scans.length), atMost(0)),
          ...many.figures,
        ],
        wrong: [...filled.wrong, ...hot.wrong, ...many.wrong],
        notes: [
          `large: ${filled.events} events written in ${filled.seconds.toFixed(0)} s (${Math.round(filled.events / filled.seconds)}/s), ${filled.retries} retries`,
          ...scans.map((scan) => `large-plans: ${scan}`),
          ...stored.notes,
          ...many.notes,
        ],
      };
    }),
};

async function besideEmpty(
  loads: Loads,
  { options, log }: Bench,
  database: Database,
  empty: Database,
): Promise<Outcome> {
  const pools = poolIds(1);
  const before = { [HOT]: await booked(database.superuser, HOT), [PAIRS]: await booked(database.superuser, PAIRS) };
  for (const tenant of [HOT, PAIRS]) await openBooks(empty, tenant, pools);
  const start = (work: "observe" | "pair", { writerUrl: url }: Database) =>
    loads.start({ work, url, tenant: work === "observe" ? HOT : PAIRS, pools });
  const [meterLarge, meterEmpty] = [await start("observe", database), await start("observe", empty)];
  const [pairLarge, pairEmpty] = [await start("pair", database), await start("pair", empty)];
  const turns = await takeTurns(
    {
      meterLarge: { what: "hot pool, meter, large journal", load: meterLarge },
      meterEmpty: { what: "hot pool, meter, empty journal", load: meterEmpty },
      pairLarge: { what: "hot pool, pairs, large journal", load: pairLarge },
      pairEmpty: { what: "hot pool, pairs, empty journal", load: pairEmpty },
    },
    options,
  );
  log("looking into the books …");
  // At once: each reads millions of rows.
  const wrong = await Promise.all([
    checked(database, HOT, [meterLarge], before[HOT]),
    checked(database, PAIRS, [pairLarge], before[PAIRS]),
    audit(database, PLANS),
    checked(empty, HOT, [meterEmpty]),
    checked(empty, PAIRS, [pairEmpty]),
  ]);
  return {
    figures: [
      ratio("large-meter", turns.meterLarge, turns.meterEmpty, atLeast(0.9)),
      ratio("large-pair", turns.pairLarge, turns.pairEmpty, atLeast(0.9)),
    ],
    wrong: wrong.flat(),
    notes: [],
  };
}
