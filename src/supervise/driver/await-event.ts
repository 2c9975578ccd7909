/** await_event: the next thing that a driver should know, whichever comes first, none of them lost. */
import { z } from "zod";
import type { Scope } from "../scope.js";
import type { Settled } from "../settled.js";
import { shownOutput } from "./text.js";
import { type ChatToolImplementation, toolOf } from "./tool.js";

const KINDS = ["settled", "question", "finding"] as const;

/** What the wait depends on. */
export interface AwaitEventOptions {
  readonly scope: Scope;
  /** The longest wait; then the model is asked again. */
  readonly awaitMs: number;
  /** Aborted where a message for the driver has come or comes, which ends a wait. Asked anew for every wait. */
  readonly interruption: () => AbortSignal;
  /** Whether a reply from above is still to come: then nothing is idle. */
  readonly expectsReply: () => boolean;
}

/**
 * Questions and findings first, the most urgent of them, then settlements in the order of their delivery. What `next` brings after its
 * wait has ended otherwise is kept for the next wait: nothing delivered is lost.
 */
export function awaitEventTool(options: AwaitEventOptions): ChatToolImplementation {
  const { scope, awaitMs, interruption, expectsReply } = options;
  const delivered: Settled[] = [];
  let noneLeft = false;
  let underWay: Promise<void> | undefined;

  const deliver = (withinMs: number): Promise<void> => {
    underWay ??= scope
      .next({ withinMs })
      .then((next) => {
        noneLeft = next === null;
        if (next && next.kind !== "pending") delivered.push(next);
      })
      .finally(() => {
        underWay = undefined;
      });
    // Where nobody waits for it any more, the next call meets the error again.
    underWay.catch(() => undefined);
    return underWay;
  };

  const wait = async (kinds: readonly (typeof KINDS)[number][]): Promise<unknown> => {
    const settles = kinds.includes("settled");
    const below = new Set(kinds.filter((kind) => kind !== "settled"));
    const message = interruption();
    const end = Date.now() + awaitMs;
    noneLeft = false;
    for (;;) {
      const taken = scope.mailbox.take(below);
      if (taken) return taken;
      const settled = settles ? delivered.shift() : undefined;
      if (settled) return told(settled);
      if (scope.signal.aborted) return { error: "aborted", message: "this driver is to end" };
      if (message.aborted) return { pending: true, live: scope.live() };
      if ((settles ? noneLeft : scope.live() === 0) && !expectsReply()) return { idle: true };

      const left = Math.max(0, end - Date.now());
      const over = new AbortController();
      const timer = setTimeout(() => over.abort(), left);
      const signal = AbortSignal.any([over.signal, scope.signal, message]);
      try {
        const arrival = scope.mailbox.arrival(below, signal);
        await (settles && !noneLeft ? Promise.race([deliver(left), arrival]) : arrival);
      } finally {
        clearTimeout(timer);
        over.abort();
      }
      if (left === 0 && delivered.length === 0 && !noneLeft) return { pending: true, live: scope.live() };
    }
  };

  return toolOf(
    {
      name: "await_event",
      description:
        "Waits for the next event: a worker that settled, a question, a finding. idle: nothing is under way. pending: nothing happened for a while, or a message has come for you.",
      args: z.strictObject({ kinds: z.array(z.enum(KINDS)).min(1).optional().describe("Default: all of them") }),
    },
    async ({ kinds = KINDS }) => await wait(kinds),
  );
}

function told(settled: Settled): Readonly<Record<string, unknown>> {
  const { handle, spent } = settled;
  const who = {
    kind: "settled",
    workerId: handle.nodeId,
    label: handle.label,
    ...(handle.key !== undefined && { key: handle.key }),
    status: settled.kind,
  };
  if (settled.kind === "down") return { ...who, reason: settled.reason, infra: settled.infra, spent };
  const { verdict, outRef, out } = settled;
  return { ...who, ...(verdict && { verdict }), spent, outRef, ...shownOutput(out, outRef) };
}
