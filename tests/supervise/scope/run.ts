/** A run for tests of scopes: its pool is open, its hooks are kept. */
import type { Ledger } from "../../../src/ledger/ledger.js";
import type { Budget } from "../../../src/ledger/protocol.js";
import type { HookEvent } from "../../../src/supervise/hooks.js";
import { createScope, type LiveScope } from "../../../src/supervise/scope/live-scope.js";
import { LiveWorkers } from "../../../src/supervise/scope/live-workers.js";
import type { RunContext } from "../../../src/supervise/scope/run-context.js";

export interface TestRun {
  readonly context: RunContext;
  readonly scope: LiveScope;
  readonly events: Omit<HookEvent, "timestamp">[];
  readonly controller: AbortController;
  downs(): number;
}

/** Opens (or finds) the run `r` and a scope over it, as a process of its own would. */
export async function openRun(
  ledger: Ledger,
  budget: Budget = { tokens: 1_000, iterations: 10, usd: "1" },
  options: Partial<Pick<RunContext, "maxDepth" | "maxLiveWorkers" | "leaseMs" | "graceMs">> & {
    deadlineMs?: number;
  } = {},
): Promise<TestRun> {
  const { deadlineMs, ...rest } = options;
  await ledger.openPool(budget, {
    poolId: "r",
    run: { label: "run" },
    ...(deadlineMs !== undefined && { deadlineMs }),
  });
  const events: Omit<HookEvent, "timestamp">[] = [];
  let downs = 0;
  const context: RunContext = {
    ledger,
    runId: "r",
    maxDepth: 4,
    maxLiveWorkers: undefined,
    leaseMs: 60_000,
    graceMs: 200,
    stalledMs: 60_000,
    ...rest,
    workers: new LiveWorkers(ledger, "r", rest.maxLiveWorkers),
    emit: (event) => {
      events.push(event);
    },
    onDown: () => {
      downs += 1;
    },
  };
  const controller = new AbortController();
  const scope = await createScope(context, { nodeId: "r", depth: 0, signal: controller.signal });
  return { context, scope, events, controller, downs: () => downs };
}

/** Work that ends when the test says so. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
