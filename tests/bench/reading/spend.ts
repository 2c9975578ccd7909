/** The columns that are summed up, in SQL. */

const COLUMNS = [
  "iterations",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "charged_tokens",
  "usd",
  "ms",
  "uncertain_tokens",
  "uncertain_iterations",
  "uncertain_usd",
] as const;

/** Rows of the journal that are spend of their own, no transfers. */
export const IS_SPEND =
  "j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')";

/** Every usage column and both counts behind the flags, summed up. */
export const SUMS = [...COLUMNS, "tokens_unknown", "usd_unknown"]
  .map((column) => `sum(j.${column}) as ${column}`)
  .join(", ");

/** The usage columns with a prefix, null as 0, in their shortest form. */
export function usage(prefix: string): string {
  return COLUMNS.map((column) => `trim_scale(coalesce(${prefix}${column}, 0))`).join(", ");
}
