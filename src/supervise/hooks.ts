/** Events for people and programs that watch a run. They carry what the ledger's rows say, and never change them. */

/** What happened. `agent.turn` comes once per model call, `agent.spawn` once per granted child, `agent.child` once per child that ended. */
export interface HookEvent {
  /** The same for the same happening, also when it is told again after a restart. */
  readonly id: string;
  readonly runId: string;
  readonly target: "agent.spawn" | "agent.child" | "agent.turn";
  /** `error` for a call that failed and a child that is down, else `after`. */
  readonly phase: "after" | "error";
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** The node in whose scope it happened. */
  readonly parentId?: string;
  /** agent.spawn: childId, label, runtime, budget, depth. agent.child: childId, status, outRef, score, valid, spent, reason, infra.
   * agent.turn: spend (absent where nothing was metered), kind, driver, turn, toolCalls, provider, model, providerRequestId,
   * inferenceFailed; corrects: the id of an earlier event of the same call, taken for lost, whose spend this one takes the place of. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** A watcher. It is not waited for; what it throws or rejects with goes to `onHookError`. */
export type Hook = (event: HookEvent) => void | Promise<void>;
