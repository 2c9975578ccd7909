/**
 * A client of a provider with another `fetch`: of the same kind, with the same settings, the given one untouched. Every way of calling
 * ends in that one function, also the client's own retries, which so are calls of their own.
 */
import type { BudgetPool } from "../ledger/budget-pool.js";
import { LedgerError } from "../ledger/errors.js";
import { CallRefusedError } from "../metering/call-refused.js";
import { checkedPool } from "../metering/options.js";
import type { Fetch } from "./fetch.js";
import { reasonOf } from "./withheld.js";

/** What of an official client is used: all of them are generated from one pattern. */
interface Official {
  readonly fetch: Fetch;
  withOptions(options: { readonly fetch?: Fetch | undefined }): Official;
  makeStatusError(status: number, error: unknown, message: string | undefined, headers: Headers): Error;
  /** The options it was made with. */
  readonly _options?: { readonly timeout?: number | undefined };
  /** Of Azure alone, whose `withOptions` forgets them. */
  readonly apiVersion?: string;
  readonly deploymentName?: string | undefined;
}

/** Names of the class that all errors of a client extend, as a static of the client. */
const ERROR_CLASSES = ["OpenAIError", "AnthropicError"] as const;

/** How a client is wrapped. */
export interface Wrapping {
  /** What only this provider's client has. */
  readonly parts: readonly string[];
  /** How such a client is made, for the error where it is none. */
  readonly made: string;
  readonly pool: BudgetPool;
  readonly metered: (fetch: Fetch) => Fetch;
}

/** What meters, in which pool, and what it asks by. */
const METERED = new WeakMap<Fetch, { readonly pool: BudgetPool; readonly fetch: Fetch }>();

/**
 * The client, asking through what `metered` makes of its `fetch`; so does every client that its `withOptions` makes. One that the pool meters
 * already is metered by `metered` alone. For a call that is not made, the client's maker of errors gives the reason.
 * @throws {LedgerError} LG001 where it is no such client, no pool, or another pool meters it.
 */
export function wrap<Client extends object>(client: Client, wrapping: Wrapping): Client {
  const { parts, made, metered } = wrapping;
  const pool = checkedPool(wrapping.pool);
  const given = official(client, parts, made);
  const meter = (plain: Fetch): Fetch => {
    const asking = metered(plain);
    METERED.set(asking, { pool, fetch: plain });
    return asking;
  };
  const fetch = meter(meteredIn(pool, given.fetch)?.fetch ?? given.fetch);
  return standing(given.withOptions({ ...kept(given), fetch }), pool, meter) as object as Client;
}

/** The client, whose `withOptions` and errors are the metered ones. */
function standing(made: Official, pool: BudgetPool, meter: (fetch: Fetch) => Fetch): Official {
  const { makeStatusError, withOptions } = made;
  const instead: Pick<Official, "makeStatusError" | "withOptions"> = {
    makeStatusError(status, error, message, headers) {
      const reason = reasonOf(headers);
      return reason ? asOwn(reason, made) : makeStatusError.call(made, status, error, message, headers);
    },
    withOptions({ fetch = made.fetch, ...options }) {
      const asking = meteredIn(pool, fetch) ? fetch : meter(fetch);
      return standing(withOptions.call(made, { ...kept(made), ...options, fetch: asking }), pool, meter);
    },
  };
  for (const [name, value] of Object.entries(instead)) {
    Object.defineProperty(made, name, { value, configurable: true, writable: true });
  }
  return made;
}

/** How the pool meters what is asked by that; undefined where nobody does. */
function meteredIn(pool: BudgetPool, fetch: Fetch): { readonly fetch: Fetch } | undefined {
  const before = METERED.get(fetch);
  if (before && (before.pool.tenantId !== pool.tenantId || before.pool.poolId !== pool.poolId)) {
    throw unfit(`is metered in pool ${before.pool.poolId}: give each pool the plain client, as it was made`);
  }
  return before;
}

/** A timeout that was not stated stays so: Anthropic's client works one out for each call. */
function kept({ _options, apiVersion, deploymentName }: Official): object {
  return {
    ...(_options && { timeout: _options.timeout }),
    ...(apiVersion !== undefined && { apiVersion, deployment: deploymentName }),
  };
}

function official(client: object, parts: readonly string[], made: string): Official {
  const given: Partial<Official> = Object(client);
  const { fetch, withOptions, makeStatusError } = given;
  const isOfficial = [fetch, withOptions, makeStatusError].every((part) => typeof part === "function");
  const isOfKind = parts.every((part) => typeof Reflect.get(given, part) === "object");
  if (isOfficial && isOfKind) return client as Official;
  throw unfit(`must be a client of the provider's official package, such as ${made}`);
}

function unfit(rule: string): LedgerError {
  return new LedgerError("LG001", `client: ${rule}`, { detail: { path: "client", rule } });
}

/**
 * The reason as an error of the client, which its helpers (`.stream()`, `runTools`) hand on as it is: another one they would hide in the
 * cause of one of their own.
 */
function asOwn(reason: Error, client: Official): Error {
  if (!(reason instanceof CallRefusedError)) return reason;
  const statics = client.constructor as Partial<Record<(typeof ERROR_CLASSES)[number], new (text: string) => Error>>;
  const Base = ERROR_CLASSES.map((name) => statics[name]).find((found) => found !== undefined);
  if (!Base) return reason;
  return Object.defineProperties(new Base(reason.message), Object.getOwnPropertyDescriptors(reason));
}
