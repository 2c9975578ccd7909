/** Batches across the pools of one tenant, beside one operation a call. */
import { checked, openBooks, poolIds } from "../books.js";
import type { Case } from "../case.js";
import { atLeast, ratio } from "../figures.js";
import { withLoads } from "../loads/sides.js";
import { takeTurns } from "../rounds.js";

const TENANT = "acme";
const BATCH = 200;

export const batches: Case = {
  name: "batches",
  about: "pools of one tenant at random: batches of 200 operations, beside one operation a call",
  run: ({ place, options }) =>
    withLoads(async (loads) => {
      const database = await place.ledger();
      const pools = poolIds(options.pools);
      await openBooks(database, TENANT, pools);
      const job = { work: "apply", url: database.writerUrl, tenant: TENANT, pools } as const;
      const [batch, single, batchOf8, singleOf8] = await Promise.all([
        loads.start({ ...job, callers: 1, batch: BATCH }),
        loads.start({ ...job, callers: 1 }),
        loads.start({ ...job, callers: 8, batch: BATCH }),
        loads.start({ ...job, callers: 8 }),
      ]);
      const turns = await takeTurns(
        {
          batch: { what: `${BATCH} a call, 1 caller`, load: batch },
          single: { what: "1 a call, 1 caller", load: single },
          batchOf8: { what: `${BATCH} a call, 8 callers`, load: batchOf8 },
          singleOf8: { what: "1 a call, 8 callers", load: singleOf8 },
        },
        options,
      );
      return {
        figures: [
          ratio("batches", turns.batch, turns.single, atLeast(10)),
          ratio("batches", turns.batchOf8, turns.singleOf8, null),
        ],
        wrong: await checked(database, TENANT, [batch, single, batchOf8, singleOf8]),
        notes: [],
      };
    }),
};
