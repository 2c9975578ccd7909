/** Tools by which a driver's model answers those below it and asks above. */
import { z } from "zod";
import type { Question } from "../mailbox.js";
import type { Scope } from "../scope.js";
import { type ChatToolImplementation, toolOf } from "./tool.js";

const urgency = z.enum(["blocks-run", "blocks-step", "whenever"]);

/**
 * list_questions, answer_question, ask_parent. `onReply` is told what became of a question asked above, maybe more than once; as long
 * as nothing did, the question counts in `awaited`.
 */
export function questionTools(
  scope: Scope,
  { awaited, onReply }: { readonly awaited: Set<object>; readonly onReply: (question: Question) => void },
): ChatToolImplementation[] {
  const { mailbox } = scope;

  const list = toolOf(
    {
      name: "list_questions",
      description: "Lists the questions put to you so far, with what became of each.",
      args: z.strictObject({}),
    },
    async () => ({ questions: mailbox.questions() }),
  );

  const answer = toolOf(
    {
      name: "answer_question",
      description:
        "Replies to a question: answer it, defer it (say until when or why), or escalate it to whoever is above you.",
      args: z
        .strictObject({
          questionId: z.string(),
          answer: z.string().optional(),
          defer: z.string().optional(),
          escalate: z.string().optional().describe("Why somebody above must answer"),
        })
        .refine(
          (args) => [args.answer, args.defer, args.escalate].filter((reply) => reply !== undefined).length === 1,
          {
            error: "must have exactly one of answer, defer, escalate",
          },
        ),
    },
    async ({ questionId, answer, defer, escalate }) => {
      if (escalate !== undefined && !mailbox.parent) return nobodyAbove;
      const reply = answer !== undefined ? { answer } : defer !== undefined ? { defer } : { escalate: escalate ?? "" };
      const question = mailbox.reply(questionId, reply);
      if (question) return question;
      const open = mailbox.questions().filter(({ status }) => status === "open" || status === "deferred");
      return {
        error: "unknown-question",
        field: "questionId",
        rule: `${questionId} is no question that waits for a reply`,
        allowed: open.map((one) => one.questionId),
      };
    },
  );

  const ask = toolOf(
    {
      name: "ask_parent",
      description: "Asks whoever is above you. The reply comes later, as a message.",
      args: z.strictObject({
        question: z.string().min(1),
        reason: z.string().describe("Why you need to know"),
        urgency: urgency.describe("What waits for the answer: the whole run, this step, or nothing"),
      }),
    },
    async (args) => {
      if (!mailbox.parent) return nobodyAbove;
      awaited.add(args);
      return mailbox.parent.ask({ from: scope.nodeId, ...args }, (question) => {
        awaited.delete(args);
        onReply(question);
      });
    },
  );
  return [list, answer, ask];
}

const nobodyAbove = {
  error: "nobody-above",
  message: "this driver is at the root of its run and nobody answers for it: decide yourself",
};
