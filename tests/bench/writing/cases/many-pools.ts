/** 64 pools, one operation a call, on an empty database that was never analysed. */
import { openBooks, poolIds } from "../books.js";
import type { Case } from "../case.js";
import { withLoads } from "../loads/sides.js";
import { manyPools, POOLS } from "../many-pools.js";

const TENANT = "acme";

export const manyPoolsEmpty: Case = {
  name: "many-pools",
  about: "64 pools, 8 connections, one operation a call; an empty ledger that is never analysed",
  run: (bench) =>
    withLoads(async (loads) => {
      const database = await bench.place.ledger();
      await database.neverAnalyze();
      await openBooks(database, TENANT, poolIds(POOLS));
      return manyPools(loads, bench, { name: "many-pools", database, tenant: TENANT });
    }),
};
