/** Tools by which a driver's model ends its work: with a result, or without. */
import { z } from "zod";
import type { Verdict } from "../executor.js";
import type { Mailbox } from "../mailbox.js";
import { type ChatToolImplementation, toolOf } from "./tool.js";
import { anything } from "./worker-tools.js";

/** Says whether a result is good enough: yes or no, or a verdict whose notes tell why not. What it throws is a no. */
export type ResultCheck = (result: unknown) => boolean | Verdict | Promise<boolean | Verdict>;

/** How the model ended it. */
export interface Ending {
  readonly stopped?: { readonly reason: string | undefined };
  readonly submitted?: { readonly result: unknown; readonly verdict: Verdict };
}

/** submit_result (where there is a check) and stop. `end` is told once it has ended; the first end stands. */
export function endingTools(
  mailbox: Mailbox,
  check: ResultCheck | undefined,
  end: (ending: Ending) => void,
): ChatToolImplementation[] {
  const stop = toolOf(
    {
      name: "stop",
      description:
        "Ends your work. Refused while questions that block the run or a step are open: reply to them first.",
      args: z.strictObject({ reason: z.string().optional() }),
    },
    async ({ reason }) => {
      const blocking = mailbox.questions().filter(({ status, urgency }) => status === "open" && urgency !== "whenever");
      if (blocking.length > 0) {
        return { stopped: false, error: "open-questions", questions: blocking.map(({ questionId }) => questionId) };
      }
      end({ stopped: { reason } });
      return { stopped: true };
    },
  );
  if (!check) return [stop];

  const submit = toolOf(
    {
      name: "submit_result",
      description: "Proposes a result. It is checked; accepted, it is your result and your work ends.",
      args: z.strictObject({ result: anything.describe("The result, any JSON") }),
    },
    async ({ result }) => {
      const { notes, ...answer } = await judged(check, result);
      const { accepted, score } = answer;
      if (accepted) {
        const verdict = { valid: true, ...(score !== undefined && { score }), ...(notes !== undefined && { notes }) };
        end({ submitted: { result, verdict } });
      }
      return answer;
    },
  );
  return [submit, stop];
}

async function judged(
  check: ResultCheck,
  result: unknown,
): Promise<{ readonly accepted: boolean; readonly reason?: string; readonly score?: number; readonly notes?: string }> {
  try {
    const answer = await check(result);
    if (typeof answer === "boolean")
      return answer ? { accepted: true } : { accepted: false, reason: "the check says no" };
    const { valid, notes, score } = answer;
    return {
      accepted: valid === true,
      ...(valid !== true && { reason: notes ?? "the check says no" }),
      ...(valid === true && notes !== undefined && { notes }),
      ...(score !== undefined && { score }),
    };
  } catch (error) {
    return { accepted: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
