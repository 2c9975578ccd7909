/** A driver's own model calls: announced before the provider can bill, booked after, and told to the hooks. */

import { createHash } from "node:crypto";
import { errorOf, LedgerError } from "../../ledger/errors.js";
import { newId } from "../../ledger/ids.js";
import type { Spend } from "../../ledger/protocol.js";
import { operationSpend } from "../../ledger/spend.js";
import type { Metered, TurnDetail } from "../scope.js";
import { LOST } from "./calls-in-doubt.js";
import type { RunContext } from "./run-context.js";

/** Which of the ledger's purposes a call has. */
export function purposeOf({ kind, inferenceFailed }: Pick<TurnDetail, "kind" | "inferenceFailed">) {
  if (inferenceFailed !== undefined) return "failed" as const;
  return kind === "driver-compaction" ? ("compaction" as const) : ("turn" as const);
}

/** A call as it was booked. */
interface Booked {
  readonly metered: Metered;
  /** What the ledger has of it now. */
  readonly spend: Spend;
  /** Place of the row that took the call for lost, where there was one. */
  readonly corrects?: string;
}

/**
 * Books one model call of the driver that owns the pool; null = nothing was inferred, and only the event is told. Where the call was
 * taken for lost before, the event names in `corrects` the one that told so: its spend takes the place of that one's.
 */
export async function meter(
  context: RunContext,
  poolId: string,
  spend: Spend | null,
  detail: TurnDetail,
): Promise<Metered | null> {
  const booked = spend === null ? null : await observe(context, poolId, { ...spend, iterations: 0 }, detail);
  const { call: _, ...told } = detail;
  const corrects = booked?.corrects === undefined ? {} : { corrects: turnId(poolId, booked.corrects) };
  context.emit({
    id: booked ? turnId(poolId, booked.metered.seq) : `${poolId}/${detail.kind}/${detail.turn}`,
    runId: context.runId,
    target: "agent.turn",
    phase: detail.inferenceFailed === undefined ? "after" : "error",
    parentId: poolId,
    payload: { ...(booked && { spend: booked.spend }), ...told, ...corrects },
  });
  return booked?.metered ?? null;
}

function turnId(poolId: string, seq: number | string | null): string {
  return `${poolId}/turn/${seq}`;
}

async function observe({ ledger }: RunContext, poolId: string, spend: Spend, detail: TurnDetail): Promise<Booked> {
  const { kind, driver, turn, toolCalls, provider, model, providerRequestId, inferenceFailed, call } = detail;
  const operationId = call ?? newId();
  try {
    const { seq } = await ledger.pool(poolId).observe(spend, {
      operationId,
      turn,
      toolCalls,
      purpose: purposeOf(detail),
      provider,
      model,
      providerRequestId,
      detail: { kind, driver, turn, toolCalls, model, inferenceFailed },
    });
    return { metered: { seq, operationId, usd: await knowledge(ledger, poolId, spend, seq) }, spend };
  } catch (error) {
    if (call === undefined || !(error instanceof LedgerError) || error.code !== "LG005") throw error;
    const lost = await takenForLost(ledger, poolId, call);
    if (!lost) throw error;
    return corrected(ledger, poolId, call, lost, spend, toolCalls);
  }
}

type Lost = NonNullable<Awaited<ReturnType<typeof takenForLost>>>;

/** The row of a call that somebody took for lost and booked; undefined where the call was booked as what it was. */
function takenForLost(ledger: RunContext["ledger"], poolId: string, call: string) {
  return ledger.read((db) =>
    db
      .selectFrom("journal")
      .select(["seq", "usd"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("pool_id", "=", poolId)
      .where("kind", "=", "metered")
      .where("operation_id", "=", call)
      .where((of) => of(of.ref("detail", "->>").key("inferenceFailed" as never), "=", LOST as never))
      .executeTakeFirst(),
  );
}

/** Now the truth is known. Dollars that still nobody knows stay as they were estimated. */
async function corrected(
  ledger: RunContext["ledger"],
  poolId: string,
  of: string,
  lost: Lost,
  told: Spend,
  toolCalls: readonly string[],
): Promise<Booked> {
  const spend = told.usd === undefined && lost.usd !== null ? { ...told, usd: lost.usd, usd_known: false } : told;
  const operation = {
    op: "correct",
    // Of the call, so that a second truth is a conflict, as a second meter is.
    operation_id: `told:${createHash("sha256").update(of).digest("hex")}`,
    of,
    spend: operationSpend(spend, { iterations: 0 }),
    tool_calls: [...toolCalls],
    reason: "the call was taken for lost, and its driver told what it consumed",
  };
  const [answer] = await ledger.apply([operation]);
  if (answer?.status === "error") throw errorOf(answer, operation.operation_id);
  const seq = answer?.result.seq ?? null;
  const usd = await knowledge(ledger, poolId, spend, seq);
  return { metered: { seq, operationId: of, usd }, spend, corrects: lost.seq };
}

/** Where no dollars were reported, the row says whether the tenant's prices made an estimate of them. */
async function knowledge(
  ledger: RunContext["ledger"],
  poolId: string,
  spend: Spend,
  seq: number | null,
): Promise<Metered["usd"]> {
  if (spend.usd !== undefined) return spend.usd_known === false ? "estimate" : "receipt";
  if (seq === null) return "unknown";
  const row = await ledger.read((db) =>
    db
      .selectFrom("journal")
      .select(["kind", "usd", "usd_known"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("pool_id", "=", poolId)
      .where("seq", "=", String(seq))
      .executeTakeFirst(),
  );
  // Prices that are all zero make dollars known without a receipt: a free model.
  if (row?.usd_known) return "receipt";
  // A correction has the difference, which is 0 where dollars were, and are, unknown.
  const none = row?.kind === "corrected" ? "0" : null;
  return row?.usd == null || row.usd === none ? "unknown" : "estimate";
}
