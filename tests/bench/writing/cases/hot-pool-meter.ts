/** One pool, one process, many callers that meter: beside everything else that could be done instead. */
import { bookedBy, checked, differences, openBooks } from "../books.js";
import type { Case, Figure } from "../case.js";
import { atLeast, ratio } from "../figures.js";
import { baseline, pgledgerBaseline, withLoads } from "../loads/sides.js";
import { takeTurns } from "../rounds.js";
import { statementsOf } from "../sql-file.js";

const TENANT = "acme";
const POOLS = ["hot"];
/** Turns written before the bulk insert begins, which inserts rows like them. */
const PATTERN_MS = 200;

export const hotPoolMeter: Case = {
  name: "hot-pool-meter",
  about: "one hot pool, one process, 64 concurrent callers, each metering one turn a call",
  run: (bench) =>
    withLoads(async (loads) => {
      const { place, options } = bench;
      const database = await place.ledger();
      const bare = await place.bare();
      await openBooks(database, TENANT, POOLS);
      const ours = await loads.start({ work: "observe", url: database.writerUrl, tenant: TENANT, pools: POOLS });
      await ours.turn(PATTERN_MS);
      const statement = statementsOf("baselines/bulk-insert");
      await database.superuser.query(statement("setup"));
      const bulk = await loads.start({
        work: "bulk-insert",
        url: database.url,
        tenant: TENANT,
        callers: 1,
        batch: 1000,
      });
      const naive = await baseline(loads, bare, "naive", { work: "naive-meter" });
      const floor = await baseline(loads, bare, "bare-update", { work: "bare-update", callers: 1 });
      const pgledger = await pgledgerBaseline(loads, bench);
      const sides = {
        ours: { what: "the ledger, 64 callers", load: ours },
        naive: { what: "naive client, 64 callers", load: naive.load },
        bulk: { what: "bulk insert of the same rows", load: bulk },
        floor: { what: "bare update, one caller", load: floor.load },
      };
      const turns = await takeTurns<string>(
        pgledger ? { ...sides, pgledger: { what: "pgledger, 64 callers", load: pgledger.load } } : sides,
        options,
      );
      const beside = (side: string, least?: number): Figure[] => {
        const { ours: measured, [side]: other } = turns;
        if (!measured || !other) return [];
        return [ratio("hot-pool-meter", measured, other, least === undefined ? null : atLeast(least))];
      };
      const wrong = [
        ...(await checked(database, TENANT, [ours])),
        ...differences("bulk insert", [bulk], await bookedBy(database.superuser, statement("booked"))),
        ...(await naive.wrong()),
        ...(await floor.wrong()),
        ...((await pgledger?.wrong()) ?? []),
      ];
      return {
        figures: [...beside("naive", 20), ...beside("pgledger", 10), ...beside("bulk", 0.15), ...beside("floor")],
        wrong,
        notes: pgledger
          ? []
          : ["hot-pool-meter: not beside pgledger, whose SQL file was not given (--pgledger <file>)"],
      };
    }),
};
