/** Options that coordination tools and the driver that offers them have in common, checked field by field. */

import { z } from "zod";
import { LONGEST_TIMER_MS } from "../../ledger/leases.js";
import { budget, dollars, id } from "../../ledger/schemas.js";
import { isSpawnable } from "../agent.js";

const isFunction = (value: unknown): boolean => typeof value === "function";
const amount = budget.valueType;

/** A function, whatever it takes. */
export const callable = z.custom(isFunction, { error: "must be a function" });

/** A whole number from 0. */
export const whole = z.number().int().nonnegative();

const profile = z.custom((value) => isFunction(value) || isSpawnable(value), {
  error: "must be a worker, a driverChild, or a function that makes one",
});

/** What both take. */
export const toolFields = {
  profiles: z.record(id, profile),
  perWorker: z.strictObject({ maxTokens: amount, maxIterations: amount, maxUsd: dollars.optional() }).partial(),
  check: callable.optional(),
  tools: z.array(z.looseObject({ name: id, description: z.string(), execute: callable })).optional(),
  awaitMs: whole.max(LONGEST_TIMER_MS).optional(),
};
