/** Thousands of callers at once over ten connections: they wait, none fails, memory stays where it is. */
import { checked, openBooks, poolIds } from "../books.js";
import type { Case } from "../case.js";
import { absolute, atMost, RATE } from "../figures.js";
import { withLoads } from "../loads/sides.js";
import { takeTurns } from "../rounds.js";

const TENANT = "acme";
const CONNECTIONS = 10;

export const manyCallers: Case = {
  name: "many-callers",
  about: "5,000 concurrent callers over 10 connections, on one pool and on 64",
  run: ({ place, options }) =>
    withLoads(async (loads) => {
      const database = await place.ledger();
      const pools = poolIds(64);
      await openBooks(database, TENANT, pools);
      const job = { work: "observe", url: database.writerUrl, tenant: TENANT, connections: CONNECTIONS } as const;
      const spread = await loads.start({ ...job, callers: options.callers, pools });
      const hot = await loads.start({ ...job, callers: options.callers, pools: pools.slice(0, 1) });
      const turns = await takeTurns(
        {
          hot: { what: `${options.callers} callers, one pool`, load: hot },
          spread: { what: `${options.callers} callers, 64 pools`, load: spread },
        },
        options,
      );
      const figures = [turns.hot, turns.spread].flatMap((side) => [
        absolute("many-callers", side, null, RATE),
        absolute("many-callers", side, atMost(5), {
          unit: "longest wait / median",
          of: ({ latency }) => latency.longest / latency.p50,
        }),
        absolute("many-callers", side, atMost(512), { unit: "MB of memory", of: ({ rssMb }) => rssMb }),
        absolute("many-callers", side, null, { unit: "MB of heap", of: ({ heapMb }) => heapMb }),
      ]);
      return { figures, wrong: await checked(database, TENANT, [hot, spread]), notes: [] };
    }),
};
