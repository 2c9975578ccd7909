/** One pool, eight processes, beside one: the locks queue them, and nobody loses. */
import { checked, openBooks } from "../books.js";
import type { Case } from "../case.js";
import { atLeast, ratio, retriesOf } from "../figures.js";
import { together } from "../loads/load.js";
import { CALLERS, withLoads } from "../loads/sides.js";
import { takeTurns } from "../rounds.js";

const TENANT = "acme";
const POOLS = ["hot"];
const PROCESSES = 8;

export const hotPoolProcesses: Case = {
  name: "hot-pool-processes",
  about: "one hot pool, eight processes beside one: as busy as it each, and its callers spread among them",
  run: ({ place, options }) =>
    withLoads(async (loads) => {
      const database = await place.ledger();
      await openBooks(database, TENANT, POOLS);
      const job = { work: "observe", url: database.writerUrl, tenant: TENANT, pools: POOLS } as const;
      const one = await loads.start(job);
      const several = (callers: number) => Array.from({ length: PROCESSES }, () => loads.start({ ...job, callers }));
      const eight = together(await Promise.all(several(CALLERS)));
      const spread = together(await Promise.all(several(CALLERS / PROCESSES)));
      const turns = await takeTurns(
        {
          one: { what: "1 process, 64 callers", load: one },
          eight: { what: "8 processes, 64 callers each", load: eight },
          spread: { what: "8 processes, 8 callers each", load: spread },
        },
        options,
      );
      return {
        figures: [
          ratio("hot-pool-processes", turns.eight, turns.one, atLeast(0.8)),
          ratio("hot-pool-processes", turns.spread, turns.one, atLeast(0.8)),
          retriesOf("hot-pool-processes", turns.eight, 0.01),
          retriesOf("hot-pool-processes", turns.spread, 0.01),
        ],
        wrong: await checked(database, TENANT, [one, eight, spread]),
        notes: [],
      };
    }),
};
