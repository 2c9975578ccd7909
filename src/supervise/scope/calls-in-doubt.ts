/**
 * Model calls that nobody answers for: their process ended between the announcement and the meter. The provider may have billed them,
 * so each is booked, as an estimate: its stated ceiling, else the dearest call that its driver is known to have made, else unknown.
 */

import { errorOf } from "../../ledger/errors.js";
import { newId } from "../../ledger/ids.js";
import type { Ledger } from "../../ledger/ledger.js";
import type { Answer, Operation } from "../../ledger/protocol.js";
import { dollars } from "../../ledger/schemas.js";
import { operationSpend } from "../../ledger/spend.js";
import type { RunContext } from "./run-context.js";
import { turnsOf } from "./turns.js";

/** Why such a call failed, as its rows say. */
export const LOST = "lost: the process ended during the call";

/** What booking them needs of a run. */
export type Booking = Pick<RunContext, "ledger" | "runId" | "emit">;

/** Whose calls nobody is at work on: of drivers that have ended, also of those that are about to, also of the root. */
type Whose = "ended" | "lapsed" | "ended-or-root";

/**
 * Books the calls in doubt of a run's drivers: of nested ones once they have ended, of the root now, when nobody is at work on its calls.
 * Under the id that each was announced with, so that it is booked once, whoever comes first; should its process be alive after all, its
 * own figures become a correction.
 */
export async function bookCallsInDoubt(booking: Booking, whose: Whose = "ended-or-root"): Promise<void> {
  const lost = await lostCalls(booking, whose);
  if (lost.length > 0) tell(booking, lost, await booking.ledger.apply(lost.map(({ operation }) => operation)));
}

/**
 * Books the ends of what is in a pool, and below it, and whose leases have passed. A driver's calls in doubt are booked first and with it,
 * so that its settlement has them and what they may have cost is at no moment free.
 */
export async function expire(booking: Booking, poolId: string): Promise<void> {
  const { ledger } = booking;
  const lost = await lostCalls(booking, "lapsed");
  const operation = { op: "expire", operation_id: newId(), pool_id: poolId };
  const answers = await ledger.apply([...lost.map((call) => call.operation), operation]);
  const answer = answers.pop();
  if (answer?.status === "error") throw errorOf(answer, operation.operation_id);
  tell(booking, lost, answers);
  // A lease may have passed since the calls were looked for.
  if (endedSome(answer)) await bookCallsInDoubt(booking, "ended");
}

function endedSome(answer: Answer | undefined): boolean {
  const { expired } = (answer?.result ?? {}) as { readonly expired?: readonly unknown[] };
  return expired !== undefined && expired.length > 0;
}

interface LostCall {
  readonly operation: Operation;
  readonly poolId: string;
  /** For the hooks. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Tells of those that were booked, each once; where somebody was faster, with the true figures or with these, that one tells. */
function tell({ emit, runId }: Booking, lost: readonly LostCall[], answers: readonly Answer[]): void {
  for (const [place, { operation, poolId, payload }] of lost.entries()) {
    const answer = answers[place];
    if (answer?.status === "error" && answer.code !== "LG005") throw errorOf(answer, operation.operation_id);
    if (!answer || answer.status === "error") continue;
    const id = `${poolId}/turn/${answer.result.seq}`;
    emit({ id, runId, target: "agent.turn", phase: "error", parentId: poolId, payload });
  }
}

async function lostCalls({ ledger, runId }: Booking, whose: Whose): Promise<LostCall[]> {
  const calls = await inDoubt(ledger, runId, whose);
  const pools = [...new Set(calls.map(({ pool_id }) => pool_id))];
  const dearest = new Map(
    await Promise.all(pools.map(async (id) => [id, (await turnsOf(ledger, id)).dearestUsd] as const)),
  );
  return calls.map((call) => lostCall(call, dearest.get(call.pool_id) ?? undefined));
}

function lostCall(call: Call, dearest: string | undefined): LostCall {
  const { pool_id: poolId, meter_id, turn, provider, model } = call;
  const announced = typeof call.detail === "object" ? (call.detail as Readonly<Record<string, unknown>> | null) : null;
  const detail = { ...announced, inferenceFailed: LOST };
  const usd = ceilingOf(announced) ?? dearest;
  const spend = { ...(usd !== undefined && { usd }), usd_known: false, tokens_known: false, iterations: 0 } as const;
  const operation = {
    op: "meter",
    operation_id: meter_id,
    pool_id: poolId,
    spend: operationSpend(spend),
    purpose: "failed",
    detail,
    turn: turn ?? undefined,
    provider: provider ?? undefined,
    model: model ?? undefined,
  } as Operation;
  return {
    operation,
    poolId,
    payload: {
      spend,
      toolCalls: [],
      ...(turn !== null && { turn }),
      ...(provider !== null && { provider }),
      ...detail,
    },
  };
}

type Call = Awaited<ReturnType<typeof inDoubt>>[number];

async function inDoubt(ledger: Ledger, runId: string, whose: Whose) {
  const query = ledger.db
    .selectFrom("calls_in_doubt as call")
    .innerJoin("nodes as node", (join) =>
      join.onRef("node.tenant_id", "=", "call.tenant_id").onRef("node.node_id", "=", "call.pool_id"),
    )
    .where("call.tenant_id", "=", ledger.tenantId)
    .where("call.run_id", "=", runId)
    .where((row) => {
      const ended = row("node.ended_at", "is not", null);
      if (whose === "ended") return ended;
      return row.or([ended, whose === "lapsed" ? row("node.lapsed", "=", true) : row("call.pool_id", "=", runId)]);
    })
    .orderBy("call.pool_id")
    .orderBy("call.seq")
    .select(["call.pool_id", "call.meter_id", "call.turn", "call.provider", "call.model", "call.detail"]);
  return ledger.read(() => query.execute());
}

/** What the call could cost at most; undefined where nobody said, or not in a way that can be booked. */
function ceilingOf(detail: Readonly<Record<string, unknown>> | null): string | number | undefined {
  const ceiling = detail?.max_usd;
  const stated = typeof ceiling === "string" || typeof ceiling === "number" ? ceiling : undefined;
  return dollars.safeParse(stated).success ? stated : undefined;
}
