/** The words of `ledger.apply`: what goes in and what comes back, as JSON. */

/** An operation: `op`, `operation_id`, and the keys of that operation. What it may hold is the database's to say. */
export type Operation = { readonly op: string; readonly operation_id: string } & Readonly<Record<string, unknown>>;

/** What a short channel lacked: text amounts, in the order tokens, iterations, usd, resources by name. */
export interface Shortfall {
  readonly channel: string;
  readonly requested: string;
  readonly free: string;
}

/** A ceiling that a settlement passed. The truth is booked all the same. */
export interface Violation {
  readonly channel: string;
  readonly reserved: string;
  readonly spent: string;
}

/**
 * What an operation's answer holds: `pool_id` and `seq` (null where no row was written) always, the rest by operation.
 * Amounts are text in shortest decimal form. An `error` holds `path` and `rule`.
 */
export interface Result {
  readonly pool_id?: string | null;
  readonly seq?: number | null;
  readonly node_id?: string | null;
  readonly existing?: boolean;
  readonly shortfall?: readonly Shortfall[];
  readonly violations?: readonly Violation[];
  readonly spend?: Readonly<Record<string, unknown>>;
  readonly cursor?: number | null;
  readonly outcome?: string | null;
  readonly out_ref?: string | null;
  readonly expired?: readonly { readonly node_id: string; readonly charged: Readonly<Record<string, unknown>> }[];
  readonly returned?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly rule?: string;
}

/**
 * The answer to one operation. `refused` is a business no (`code` = reason); `error` a mistake (`code` = LGnnn); `replayed` the
 * first answer again, whose `code` is null where that was ok.
 */
export interface Answer {
  readonly position: number;
  readonly status: "ok" | "refused" | "error" | "replayed";
  readonly code: string | null;
  readonly result: Result;
}

/** What became of a tool that was called. */
export type ToolStatus = "ok" | "error";

/** A tool that a model called: whatever is left out is not known. Neither arguments nor results are ever stated, only their digest. */
export interface ToolCall {
  readonly name: string;
  /** The id of the call, by which `ToolResult` names it; a call seen twice under one id in a pool is one call. */
  readonly id?: string | undefined;
  /** `sha256:<hex>` of the arguments in canonical JSON. */
  readonly arguments?: string | undefined;
  readonly status?: ToolStatus | undefined;
}

/** What became of a tool call that an earlier event of the pool stated. */
export interface ToolResult {
  readonly id: string;
  readonly status: ToolStatus;
}

/** Ceilings or totals per channel. A channel not named is undeclared, which is not 0. */
export interface Budget {
  readonly tokens?: Amount | undefined;
  readonly iterations?: Amount | undefined;
  readonly usd?: Amount | undefined;
  readonly [resource: string]: Amount | undefined;
}

/** A decimal text (exact) or a number (taken in its shortest decimal form, half-even to 12 decimals). */
export type Amount = string | number | bigint;

/**
 * What was consumed, with the keys of the database. Input is the provider's whole prompt, its cached part included. What is left
 * out is unknown, never zero: tokens without a count make `tokens_known` false, dollars without a receipt `usd_known`.
 * `usd` with `usd_known: false` is an estimate.
 */
export interface Spend {
  readonly iterations?: Amount | undefined;
  readonly input_tokens?: Amount | undefined;
  readonly output_tokens?: Amount | undefined;
  readonly cache_read_tokens?: Amount | undefined;
  readonly cache_write_tokens?: Amount | undefined;
  /** The part of `cache_write_tokens` that was asked to be kept for an hour. */
  readonly cache_write_1h_tokens?: Amount | undefined;
  readonly reasoning_tokens?: Amount | undefined;
  readonly usd?: Amount | undefined;
  readonly usd_known?: boolean | undefined;
  readonly tokens_known?: boolean | undefined;
  readonly ms?: Amount | undefined;
  readonly resources?: Readonly<Record<string, { readonly amount: Amount }>> | undefined;
}
