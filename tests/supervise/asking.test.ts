/** Questions that reach the application. */
import { expect, it } from "vitest";
import { createMailbox, type Question } from "../../src/supervise/mailbox.js";
import { answeredBy } from "../../src/supervise/run/asking.js";

it("an escalated question is answered from above; one that nobody can answer is deferred", async () => {
  const over = new AbortController();
  const asked: string[] = [];
  const above = answeredBy(async ({ question, urgency }) => {
    asked.push(`${question} ${urgency}`);
    if (question === "hard") throw new Error("nobody is there");
    return { answer: "yes" };
  }, over.signal);
  const root = createMailbox(above);
  const told = await new Promise<Question[]>((resolve) => {
    const heard: Question[] = [];
    const onReply = (question: Question): void => {
      heard.push(question);
      if (heard.length === 2) resolve(heard);
    };
    for (const question of ["easy", "hard"]) {
      const { questionId } = root.ask({ from: "r:s0", question, reason: "why", urgency: "blocks-run" }, onReply);
      root.reply(questionId, { escalate: "" });
    }
  });
  over.abort();
  expect(asked).toEqual(["easy blocks-run", "hard blocks-run"]);
  expect(told).toMatchObject([
    { question: "easy", status: "answered", answer: "yes" },
    { question: "hard", status: "deferred", answer: "nobody could answer: nobody is there" },
  ]);
});
