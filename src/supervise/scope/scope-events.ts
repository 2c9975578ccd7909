/** What hooks are told of children. Ids are made from the node's, so that the same happening is told under the same id. */
import type { Budget } from "../../ledger/protocol.js";
import type { Spawnable } from "../agent.js";
import type { Verdict } from "../executor.js";
import type { HookEvent } from "../hooks.js";
import type { Handle, Spent } from "../settled.js";

type Told = Omit<HookEvent, "timestamp">;

/** A granted child; `depth` is the child's own. */
export function spawnEvent(
  runId: string,
  parentId: string,
  { nodeId, label }: Handle,
  { runtime }: Spawnable<never>,
  budget: Budget,
  depth: number,
): Told {
  return {
    id: `${nodeId}/spawn`,
    runId,
    target: "agent.spawn",
    phase: "after",
    parentId,
    payload: { childId: nodeId, label, runtime, budget, depth },
  };
}

/** How a child ended, as the ledger has it. */
export interface End {
  readonly nodeId: string;
  readonly status: string;
  readonly outRef: string | null;
  readonly verdict: Verdict | undefined;
  readonly spent: Spent;
  /** Null for one that is done. */
  readonly reason: string | null;
  readonly infra: boolean;
}

/** A child that ended. */
export function endEvent(runId: string, parentId: string, end: End): Told {
  const { nodeId, status, outRef, verdict, spent, reason, infra } = end;
  return {
    id: `${nodeId}/end`,
    runId,
    target: "agent.child",
    phase: status === "done" ? "after" : "error",
    parentId,
    payload: {
      childId: nodeId,
      status,
      outRef,
      score: verdict?.score ?? null,
      valid: verdict?.valid ?? null,
      spent,
      reason,
      infra,
    },
  };
}
