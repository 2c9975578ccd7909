/** Every case, in the order of the table. A new one is a module beside this and a line here. */
import type { Case } from "../case.js";
import { batches } from "./batches.js";
import { hotPoolMeter } from "./hot-pool-meter.js";
import { hotPoolPair } from "./hot-pool-pair.js";
import { hotPoolProcesses } from "./hot-pool-processes.js";
import { large } from "./large.js";
import { manyCallers } from "./many-callers.js";
import { manyPoolsEmpty } from "./many-pools.js";
import { quietTenant } from "./quiet-tenant.js";
import { storage } from "./storage.js";

export const CASES: readonly Case[] = [
  hotPoolMeter,
  hotPoolPair,
  hotPoolProcesses,
  manyPoolsEmpty,
  batches,
  quietTenant,
  large,
  storage,
  manyCallers,
];
