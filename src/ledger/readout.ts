/** What is left of a pool's budget: its own where it caps a channel, else what its payer has. */

import { wholeNumber } from "./amounts.js";
import { LedgerError } from "./errors.js";
import type { Writer } from "./writer.js";

/** Balances of a pool now. Whole numbers are safe integers, or text beyond 2^53 - 1; dollars and resources are exact text. */
export interface Readout {
  /** Null where nobody caps tokens. Negative where more was spent than there was. */
  readonly tokensLeft: number | string | null;
  /** False while usage that nobody reported is uncorrected. */
  readonly tokensKnown: boolean;
  readonly usdLeft: string | null;
  readonly usdCapped: boolean;
  readonly usdKnown: boolean;
  readonly iterationsLeft: number | string | null;
  /** Tokens held by open children of this pool. */
  readonly reservedTokens: number | string;
  /** The instant after which nothing is reserved any more, in ms since 1970; the strictest of the pool and all above it. */
  readonly deadlineMs: number | null;
  /** What is left of named resources; null where one is only observed. */
  readonly resources: Readonly<Record<string, string | null>>;
}

/**
 * Reads balances and deadline of a pool.
 * @throws {LedgerError} LG002 where there is no such pool, or the caller may not see it.
 */
export async function readout(
  { db, tenantId, read }: Pick<Writer, "db" | "tenantId" | "read">,
  poolId: string,
): Promise<Readout> {
  const query = db
    .selectFrom("channels as own")
    .innerJoin("pools as pool", (join) =>
      join.onRef("pool.tenant_id", "=", "own.tenant_id").onRef("pool.pool_id", "=", "own.pool_id"),
    )
    .leftJoin("channels as payer", (join) =>
      join
        .onRef("payer.tenant_id", "=", "own.tenant_id")
        .onRef("payer.pool_id", "=", "own.payer_pool_id")
        .onRef("payer.channel", "=", "own.channel"),
    )
    .where("own.tenant_id", "=", tenantId)
    .where("own.pool_id", "=", poolId)
    .select(["own.channel", "own.measured", "own.reserved", "own.payer_pool_id", "payer.free", "pool.deadline_at"]);
  const rows = await read(() => query.execute());
  const by = new Map(rows.map((row) => [row.channel, row]));
  const [tokens, usd, iterations] = ["tokens", "usd", "iterations"].map((channel) => by.get(channel));
  if (!tokens || !usd || !iterations) {
    throw new LedgerError("LG002", `there is no pool ${poolId}`, { detail: { path: "pool_id" } });
  }
  const whole = (left: string | null): number | string | null => (left === null ? null : wholeNumber(left));
  const named = rows.filter((row) => row !== tokens && row !== usd && row !== iterations);
  return {
    tokensLeft: whole(tokens.free),
    tokensKnown: tokens.measured,
    usdLeft: usd.free,
    usdCapped: usd.payer_pool_id !== null,
    usdKnown: usd.measured,
    iterationsLeft: whole(iterations.free),
    reservedTokens: wholeNumber(tokens.reserved),
    deadlineMs: tokens.deadline_at?.getTime() ?? null,
    resources: Object.fromEntries(named.map((row) => [row.channel, row.free])),
  };
}
