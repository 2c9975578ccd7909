/** A quiet tenant, alone and beside one that is saturated. */
import { checked, openBooks } from "../books.js";
import type { Case } from "../case.js";
import { atMost, P99, ratio } from "../figures.js";
import { withLoads } from "../loads/sides.js";
import { takeTurns } from "../rounds.js";

const POOLS = ["hot"];
/** So that a turn has enough calls for a percentile. */
const EVERY_MS = 20;

export const quietTenant: Case = {
  name: "quiet-tenant",
  about: "a tenant that meters every 20 ms: p99 beside another tenant's 64 callers flat out, and alone",
  run: ({ place, options }) =>
    withLoads(async (loads) => {
      const database = await place.ledger();
      for (const tenant of ["quiet", "busy"]) await openBooks(database, tenant, POOLS);
      const job = { work: "observe", url: database.writerUrl, pools: POOLS } as const;
      const quiet = await loads.start({ ...job, tenant: "quiet", callers: 1, everyMs: EVERY_MS });
      const busy = await loads.start({ ...job, tenant: "busy" });
      const turns = await takeTurns(
        {
          alone: { what: "alone", load: quiet },
          beside: { what: "beside a saturated tenant", load: quiet, beside: busy },
        },
        options,
      );
      return {
        figures: [ratio("quiet-tenant", turns.beside, turns.alone, atMost(2), P99)],
        wrong: [...(await checked(database, "quiet", [quiet])), ...(await checked(database, "busy", [busy]))],
        notes: [],
      };
    }),
};
