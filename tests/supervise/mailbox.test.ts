/** Questions and findings from below: the most urgent first, each once, replies back to whoever asked. */
import { expect, test } from "vitest";
import { createMailbox, type Question, type Urgency } from "../../src/supervise/mailbox.js";

const BOTH = new Set(["question", "finding"] as const);
const QUESTIONS = new Set(["question"] as const);
const asked = (urgency: Urgency, question = "?") => ({ from: "run:s1", question, reason: "because", urgency });

test("the most urgent is taken first, the oldest among equals, each once", () => {
  const mailbox = createMailbox();
  mailbox.report({ from: "run:s1", urgency: "whenever", finding: "slow" });
  mailbox.ask(asked("whenever", "first"));
  mailbox.ask(asked("blocks-step", "second"));
  mailbox.report({ from: "run:s2", urgency: "blocks-run", finding: "loops" });
  mailbox.ask(asked("blocks-run", "third"));

  const taken = [1, 2, 3, 4, 5, 6].map(() => mailbox.take(BOTH));
  expect(taken.map((item) => (item?.kind === "finding" ? item.finding : item?.question))).toEqual([
    "loops",
    "third",
    "second",
    "slow",
    "first",
    undefined,
  ]);
});

test("only the kinds asked for are taken, and a question that has its reply waits no more", () => {
  const mailbox = createMailbox();
  mailbox.report({ from: "run:s1", urgency: "blocks-run", finding: "loops" });
  const { questionId } = mailbox.ask(asked("whenever"));
  mailbox.reply(questionId, { answer: "yes" });
  expect(mailbox.take(QUESTIONS)).toBeUndefined();
  expect(mailbox.take(BOTH)).toMatchObject({ kind: "finding", finding: "loops" });
});

test("an escalated question is answered from above, through every level", () => {
  const root = createMailbox();
  const middle = createMailbox(root);
  const lowest = createMailbox(middle);
  const told: Question[] = [];
  const { questionId } = lowest.ask(asked("blocks-step"), (question) => told.push(question));
  expect(questionId).toBe("q2.1");
  expect(lowest.reply(questionId, { escalate: "not mine to say" })).toMatchObject({ status: "escalated" });
  expect(middle.reply("q1.1", { escalate: "" })).toMatchObject({ status: "escalated", reason: "not mine to say" });

  expect(root.reply("q0.1", { escalate: "up" })).toMatchObject({ status: "open" });
  expect(root.reply("q0.1", { defer: "tomorrow" })).toMatchObject({ status: "deferred", answer: "tomorrow" });
  expect(root.reply("q0.1", { answer: "do it" })).toMatchObject({ status: "answered", from: "run:s1" });
  expect(root.reply("q0.1", { answer: "no" })).toBeUndefined();
  expect(root.reply("q0.9", { answer: "no" })).toBeUndefined();
  expect(told.map(({ questionId: id, status, answer }) => [id, status, answer])).toEqual([
    ["q2.1", "deferred", "tomorrow"],
    ["q2.1", "answered", "do it"],
  ]);
  expect(lowest.questions()).toMatchObject([{ questionId: "q2.1", status: "answered", answer: "do it" }]);
});

test("a wait ends at once where something waits, when it comes, or by its signal, and takes nothing", async () => {
  const mailbox = createMailbox();
  const { signal } = new AbortController();
  const waits = Promise.all([mailbox.arrival(QUESTIONS, signal), mailbox.arrival(BOTH, signal)]);
  mailbox.report({ from: "run:s1", urgency: "whenever", finding: "slow" });
  mailbox.ask(asked("whenever"));
  await waits;
  await mailbox.arrival(BOTH, signal);
  expect([mailbox.take(BOTH)?.kind, mailbox.take(BOTH)?.kind]).toEqual(["finding", "question"]);
  await mailbox.arrival(BOTH, AbortSignal.abort());
});
