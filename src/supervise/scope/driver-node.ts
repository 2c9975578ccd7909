/** One driver at work as a child: it gets a scope of its own, and whatever it left at work is ended before it is. */
import type { Agent } from "../agent.js";
import type { Verdict } from "../executor.js";
import type { Ending } from "./ending.js";
import type { Work } from "./live-children.js";
import type { LiveScope } from "./live-scope.js";
import { isPassing, reasonOf } from "./reasons.js";
import { within } from "./waiting.js";

/** What a driver child is run with. */
export interface DriverOptions {
  readonly signal: AbortSignal;
  readonly graceMs: () => number;
  readonly stalledMs: number;
  /** Makes its scope, on the pool that the spawn opened. */
  readonly mount: () => Promise<LiveScope>;
}

type Act = { readonly out: unknown } | { readonly thrown: unknown };

/** The work of a driver child. */
export function driverWork(agent: Agent<never>, task: unknown, options: DriverOptions): Work {
  const { signal, graceMs, stalledMs, mount } = options;
  const startedMs = Date.now();
  let scope: LiveScope | undefined;

  const run = async (begun: () => void): Promise<Ending> => {
    try {
      if (signal.aborted) return { kind: "never", reason: reasonOf(signal.reason) };
      scope = await mount();
      const acting = act(agent, task, scope);
      begun();
      return endingOf(await within(acting, signal, graceMs), signal, scope.verdict);
    } catch (error) {
      return { kind: "down", spend: null, reason: reasonOf(error), infra: isPassing(error) };
    } finally {
      begun();
      scope?.close();
    }
  };

  return {
    run,
    // However it ended, what it left at work ends before its own end is booked.
    over: async () => scope?.drain(signal.aborted ? signal.reason : "its driver has ended", graceMs()),
    torn: async () => {},
    deliver: (message) => scope?.receive(message) ?? false,
    progress: () => {
      const lastActivityMs = scope?.lastActivityMs ?? startedMs;
      return { lastActivityMs, stalled: Date.now() - lastActivityMs > stalledMs, note: undefined };
    },
  };
}

async function act(agent: Agent<never>, task: unknown, scope: LiveScope): Promise<Act> {
  try {
    return { out: await agent.act(task as never, scope) };
  } catch (thrown) {
    return { thrown };
  }
}

function endingOf(act: Act | undefined, signal: AbortSignal, verdict: Verdict | undefined): Ending {
  if (signal.aborted) return { kind: "down", spend: null, reason: reasonOf(signal.reason), infra: true };
  if (act && "thrown" in act) {
    return { kind: "down", spend: null, reason: reasonOf(act.thrown), infra: isPassing(act.thrown) };
  }
  return { kind: "done", spend: null, out: act?.out, verdict };
}
