/** What the ledger has of imported runs: dollars that were estimated, corrections and judgements that came later, all in it. */
import type { Ledger } from "../../ledger/ledger.js";
import { operationId } from "./ids.js";

/** A run as the ledger has it. Amounts are exact text. */
export interface Kept {
  readonly inputTokens: string;
  readonly outputTokens: string;
  readonly tokensKnown: boolean;
  /** Receipts and estimates. */
  readonly usd: string;
  /** False where a part is no receipt. */
  readonly usdKnown: boolean;
  readonly estimatedUsd: string;
  readonly unknownUsdEvents: string;
  /** Null where nobody judged it. */
  readonly resolved: boolean | null;
  readonly infra: boolean;
  /** Whether its last judgement is one that an import made. */
  readonly isJudgedByImport: boolean;
}

/** By run id: those of the named runs that there are. */
export async function readKept(
  { db, tenantId }: Pick<Ledger, "db" | "tenantId">,
  runIds: readonly string[],
): Promise<Map<string, Kept>> {
  if (runIds.length === 0) return new Map();
  const [runs, spent, judged] = await Promise.all([
    db
      .selectFrom("runs")
      .select(["run_id", "resolved", "infra"])
      .where("tenant_id", "=", tenantId)
      .where("run_id", "in", runIds)
      .execute(),
    db
      .selectFrom("spent_breakdown")
      .select(["run_id", "input_tokens", "output_tokens", "tokens_known"])
      .select(["usd", "usd_known", "estimated_usd", "unknown_usd_events"])
      .where("tenant_id", "=", tenantId)
      .where("source", "=", "total")
      .where("run_id", "in", runIds)
      .execute(),
    db
      .selectFrom("journal")
      .select(["pool_id", "operation_id"])
      .where("tenant_id", "=", tenantId)
      .where("pool_id", "in", runIds)
      .where("kind", "=", "judged")
      .orderBy("seq")
      .execute(),
  ]);
  const spentOf = new Map(spent.map((row) => [row.run_id, row]));
  const judgedBy = new Map(judged.map((row) => [row.pool_id, row.operation_id]));
  return new Map(
    runs.flatMap(({ run_id: run, resolved, infra }): [string, Kept][] => {
      const row = spentOf.get(run);
      if (!row) return [];
      const kept = {
        inputTokens: row.input_tokens,
        outputTokens: row.output_tokens,
        tokensKnown: row.tokens_known,
        usd: row.usd,
        usdKnown: row.usd_known,
        estimatedUsd: row.estimated_usd,
        unknownUsdEvents: row.unknown_usd_events,
      };
      return [[run, { ...kept, resolved, infra, isJudgedByImport: judgedBy.get(run) === operationId(run, "judged") }]];
    }),
  );
}
