/** What the ledger has of a driver's model calls, so that a driver that starts anew goes on counting. */
import type { Ledger } from "../../ledger/ledger.js";
import type { Turns } from "../scope.js";

/**
 * One grouped read over the pool's `metered` rows, each with its corrections. A call is silent where it reported no tokens, or
 * none at all as a count; those after the last that reported some are silent in a row.
 */
export async function turnsOf(ledger: Ledger, poolId: string): Promise<Turns> {
  const row = await ledger.read((db) =>
    db
      .with("calls", (given) =>
        given
          .selectFrom("journal")
          .where("tenant_id", "=", ledger.tenantId)
          .where("pool_id", "=", poolId)
          .where("node_id", "=", poolId)
          .where("kind", "in", ["metered", "corrected"])
          .groupBy((of) => of.fn.coalesce("corrects_seq", "seq"))
          .select((of) => [
            of.fn.coalesce("corrects_seq", "seq").as("seq"),
            of.fn
              .max("turn")
              .filterWhere(
                of.ref("detail", "->>").key("kind" as never),
                "is distinct from",
                "driver-compaction" as never,
              )
              .as("turn"),
            of.fn.sum("usd").as("usd"),
            of.fn
              .agg<boolean>("bool_or", [of.or([of("input_tokens", ">", "0"), of("output_tokens", ">", "0")])])
              .as("heard"),
          ]),
      )
      .selectFrom("calls")
      .select((of) => [
        of.fn.max("turn").as("last"),
        of.fn.max("usd").as("dearest"),
        of
          .selectFrom("calls as later")
          .where("later.seq", ">", (heard) =>
            heard
              .selectFrom("calls as one")
              .where("one.heard", "=", true)
              .select((one) => one.fn.coalesce(one.fn.max("one.seq"), one.lit(0)).as("seq") as never),
          )
          .select((later) => later.fn.countAll().as("calls"))
          .as("silent"),
      ])
      .executeTakeFirstOrThrow(),
  );
  return {
    next: row.last === null ? 0 : Number(row.last) + 1,
    silent: Number(row.silent ?? 0),
    dearestUsd: row.dearest === null ? null : String(row.dearest),
  };
}
