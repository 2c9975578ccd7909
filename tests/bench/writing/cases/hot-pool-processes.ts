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
  about: "one hot pool, eight processes of 8 callers each, beside one process of 64",
  run: ({ place, options }) =>
    withLoads(async (loads) => {
      const database = await place.ledger();
      await openBooks(database, TENANT, POOLS);
      const job = { work: "observe", url: database.writerUrl, tenant: TENANT, pools: POOLS } as const;
      const one = await loads.start(job);
      const several = Array.from({ length: PROCESSES }, () => loads.start({ ...job, callers: CALLERS / PROCESSES }));
      const eight = together(await Promise.all(several));
      const turns = await takeTurns(
        {
          one: { what: "1 process, 64 callers", load: one },
          eight: { what: "8 processes, 8 callers each", load: eight },
        },
        options,
      );
      return {
        figures: [
          ratio("hot-pool-processes", turns.eight, turns.one, atLeast(0.8)),
          retriesOf("hot-pool-processes", turns.eight, 0.01),
        ],
        wrong: await checked(database, TENANT, [one, eight]),
        notes: [],
      };
    }),
};
