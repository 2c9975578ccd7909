/** One pool, one process: children are reserved, and settled later, with three capped channels. */
import { checked, openBooks } from "../books.js";
import type { Case } from "../case.js";
import { absolute, atLeast, atMost, P99, ratio } from "../figures.js";
import { baseline, withLoads } from "../loads/sides.js";
import { takeTurns } from "../rounds.js";

const TENANT = "acme";
const POOLS = ["hot"];

export const hotPoolPair: Case = {
  name: "hot-pool-pair",
  about: "one hot pool, one process: reserve, later reconcile, three capped channels; a pair counts once",
  run: ({ place, options }) =>
    withLoads(async (loads) => {
      const database = await place.ledger();
      await openBooks(database, TENANT, POOLS);
      const pair = { work: "pair", url: database.writerUrl, tenant: TENANT, pools: POOLS } as const;
      const many = await loads.start(pair);
      const few = await loads.start({ ...pair, callers: 8 });
      const naive = await baseline(loads, await place.bare(), "naive", { work: "naive-pair" });
      const turns = await takeTurns(
        {
          many: { what: "the ledger, 64 callers", load: many },
          naive: { what: "naive client, 64 callers", load: naive.load },
          few: { what: "the ledger, 8 callers", load: few },
        },
        options,
      );
      return {
        figures: [
          ratio("hot-pool-pair", turns.many, turns.naive, atLeast(8)),
          absolute("hot-pool-pair", turns.few, atMost(18), P99),
        ],
        wrong: [...(await checked(database, TENANT, [many, few])), ...(await naive.wrong())],
        notes: [],
      };
    }),
};
