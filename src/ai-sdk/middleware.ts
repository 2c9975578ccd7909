/** The AI SDK's way in: a middleware of its own kind, and a model that is metered where it stands. */
import type { LanguageModelV3, LanguageModelV3Middleware } from "@ai-sdk/provider";
import type { BudgetPool } from "../ledger/budget-pool.js";
import { LedgerError } from "../ledger/errors.js";
import type { MeteringOptions } from "../metering/metered-call.js";
import { checkedOptions, checkedPool } from "../metering/options.js";
import { type Called, generate, type Meter, stream } from "./metered-model.js";

/**
 * Meters the calls of a model: `wrapLanguageModel({ model, middleware: ledgerMiddleware(pool) })`. Every call, a retry too, is a leaf of the
 * pool; one that the pool cannot pay for is not made, and rejects with `CallRefusedError` (after a retry it is the SDK's
 * `RetryError.lastError`; of a stream it comes to `onError` and as the stream's error part). Where several meter a call, one within another,
 * whatever their pools, the outermost does and the others let it through: each call is booked once.
 * @throws {LedgerError} LG001 where an option is malformed.
 */
export function ledgerMiddleware(pool: BudgetPool, options: MeteringOptions = {}): LanguageModelV3Middleware {
  const meter: Meter = { pool: checkedPool(pool), options: checkedOptions(options) };
  return {
    specificationVersion: "v3",
    wrapGenerate: ({ model, params }) => generate(meter, model, params),
    wrapStream: ({ model, params }) => stream(meter, model, params),
  };
}

/** Models that are metered where they stand, and how. */
const metered = new WeakMap<object, { meter: Meter }>();

/**
 * Meters a model where it stands: every call of it is metered from now on, whoever holds it, as by `ledgerMiddleware`. So a program
 * need not be changed where it uses the model. Answers the same model; a second time by the same pool (tenant and id) the new options hold.
 * One pool pays for a model: make a model object for each pool.
 * @throws {LedgerError} LG001 where an option is malformed, the model is metered by another pool, or cannot be changed.
 */
export function meterModel<M extends LanguageModelV3>(model: M, pool: BudgetPool, options: MeteringOptions = {}): M {
  const meter: Meter = { pool: checkedPool(pool), options: checkedOptions(options) };
  const before = metered.get(model);
  if (before) {
    const { tenantId, poolId } = before.meter.pool;
    if (tenantId !== pool.tenantId || poolId !== pool.poolId) {
      throw unfit(`is metered in pool ${poolId}: make another model object for this pool`);
    }
    before.meter = meter;
    return model;
  }
  if (typeof model.doGenerate !== "function" || typeof model.doStream !== "function") {
    throw unfit("must be a language model of the AI SDK, not its name");
  }
  if (Object.isFrozen(model)) throw unfit("is frozen: wrap it with ledgerMiddleware instead");
  const called: Called = {
    provider: model.provider,
    modelId: model.modelId,
    doGenerate: model.doGenerate.bind(model),
    doStream: model.doStream.bind(model),
  };
  const now = { meter };
  const put = (name: "doGenerate" | "doStream", value: unknown): void => {
    Object.defineProperty(model, name, { value, configurable: true, writable: true });
  };
  put("doGenerate", (params: Parameters<M["doGenerate"]>[0]) => generate(now.meter, called, params));
  put("doStream", (params: Parameters<M["doStream"]>[0]) => stream(now.meter, called, params));
  metered.set(model, now);
  return model;
}

function unfit(rule: string): LedgerError {
  return new LedgerError("LG001", `model: ${rule}`, { detail: { path: "model", rule } });
}
