/** A run whose root scope a test gives to drivers itself, once or again, as after a restart. */
import { afterEach } from "vitest";
import { createScope, type LiveScope } from "../../../src/supervise/scope/live-scope.js";
import type { TestClients } from "../../ledger/client.js";
import { openRun } from "../scope/run.js";

type Run = Parameters<typeof openRun>;

/** Call once, at the top of a test file. Whatever is still at work after a test is ended. */
export function useDriverRuns(clients: TestClients) {
  const opened: LiveScope[] = [];
  afterEach(async () => {
    for (const scope of opened.splice(0)) await scope.drain("over", 100).finally(() => scope.close());
  });
  return async (budget?: Run[1], options?: Run[2]) => {
    const ledger = await clients.open();
    const run = await openRun(ledger, budget, options);
    opened.push(run.scope);
    return {
      ledger,
      ...run,
      /** What another process would have: a scope that knows the rows alone. */
      async again(): Promise<LiveScope> {
        const scope = await createScope(run.context, { nodeId: "r", depth: 0, signal: run.controller.signal });
        opened.push(scope);
        return scope;
      },
      /** All metered calls of the run, in the order of their pools' rows. */
      metered: () =>
        ledger.db
          .selectFrom("journal")
          .select(["pool_id", "turn", "tool_calls", "purpose", "provider", "model", "provider_request_id"])
          .select(["input_tokens", "output_tokens", "usd", "tokens_known", "usd_known", "detail"])
          .where("tenant_id", "=", ledger.tenantId)
          .where("kind", "=", "metered")
          .orderBy("seq")
          .execute(),
    };
  };
}
