/** What callers may say about how calls are metered, checked. */
import { z } from "zod";
import type { BudgetPool } from "../ledger/budget-pool.js";
import { LedgerError } from "../ledger/errors.js";
import type { Budget } from "../ledger/protocol.js";
import { budget, id, parse } from "../ledger/schemas.js";
import type { CallAsked, MeteringOptions } from "./metered-call.js";

/** The longest lease: 30 days. Beyond it nothing would be charged in time to matter. */
const LONGEST_LEASE_MS = 30 * 24 * 3_600 * 1_000;

const meteringOptions = z.strictObject({
  perCall: z
    .union([z.custom<(call: CallAsked) => Budget>((value) => typeof value === "function"), budget], {
      error: "must be ceilings by channel, such as { tokens: 20_000, usd: '0.05' }, or a function that answers them",
    })
    .optional(),
  provider: id.optional(),
  label: id.optional(),
  tags: z.record(z.string(), z.string()).optional(),
  leaseMs: z.number().int().positive().max(LONGEST_LEASE_MS).optional(),
  onBookingError: z
    .custom<(error: unknown) => void>((value) => typeof value === "function", { error: "must be a function" })
    .optional(),
});

/**
 * The pool that pays, checked: a program without types may have left it out.
 * @throws {LedgerError} LG001.
 */
export function checkedPool(pool: BudgetPool): BudgetPool {
  if (typeof (pool as Partial<BudgetPool> | undefined)?.reserve === "function") return pool;
  const rule = "must be the pool that pays, such as await ledger.openPool({ usd: 5 })";
  throw new LedgerError("LG001", `pool: ${rule}`, { detail: { path: "pool", rule } });
}

/**
 * The options, checked.
 * @throws {LedgerError} LG001 with the path and the rule.
 */
export function checkedOptions(options: MeteringOptions): MeteringOptions {
  const { perCall } = options;
  // A union's own complaint would not say which channel is wrong.
  if (typeof perCall === "object" && perCall !== null) parse(budget, perCall, "options.perCall");
  return parse(meteringOptions, options, "options");
}
