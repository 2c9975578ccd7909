/** Somebody above the root: questions that the root driver escalates are put to the application. */
import { createMailbox, type Mailbox, type Question, type Reply } from "../mailbox.js";
import { reasonOf } from "../scope/reasons.js";

const QUESTIONS = new Set(["question"] as const);

/**
 * A mailbox that `ask` answers, several questions at once, until `signal` aborts. What it throws defers the question: nobody waits
 * for an answer that will not come.
 */
export function answeredBy(ask: (question: Question) => Reply | Promise<Reply>, signal: AbortSignal): Mailbox {
  const mailbox = createMailbox();
  const answer = async (question: Question): Promise<void> => {
    const reply = await Promise.resolve(question)
      .then(ask)
      .catch((error: unknown): Reply => ({ defer: `nobody could answer: ${reasonOf(error)}` }));
    mailbox.reply(question.questionId, reply);
  };
  const answering = async (): Promise<void> => {
    for (;;) {
      await mailbox.arrival(QUESTIONS, signal);
      if (signal.aborted) return;
      const question = mailbox.take(QUESTIONS);
      if (question?.kind === "question") answer(question).catch(() => {});
    }
  };
  answering().catch(() => {});
  return mailbox;
}
