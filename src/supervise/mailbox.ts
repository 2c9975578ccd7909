/** Questions and findings that come up from below, until the driver takes them. They live as long as the conversation they belong to. */

/** How much waits for the answer. */
export type Urgency = "blocks-run" | "blocks-step" | "whenever";

/** What somebody below wants to know. */
export interface Question {
  readonly questionId: string;
  /** The node that asks. */
  readonly from: string;
  readonly question: string;
  readonly reason: string;
  readonly urgency: Urgency;
  readonly status: "open" | "answered" | "deferred" | "escalated";
  /** What was answered; of a deferred question, what was said about later. */
  readonly answer?: string;
}

/** What somebody below noticed, such as a repeated action. */
export interface Finding {
  readonly from: string;
  readonly urgency: Urgency;
  readonly finding: unknown;
}

/** How a question ends: with an answer, later, or a step higher up. */
export type Reply = { readonly answer: string } | { readonly defer: string } | { readonly escalate: string };

/** The questions and findings that reach one driver. */
export interface Mailbox {
  /** The mailbox of the driver above; undefined at the root of a run that nobody answers for. */
  readonly parent: Mailbox | undefined;
  /** Puts a question to this driver. `onReply` is told every reply, one from higher up too: a deferred question may be answered later. */
  ask(
    asked: Pick<Question, "from" | "question" | "reason" | "urgency">,
    onReply?: (question: Question) => void,
  ): Question;
  /** Tells this driver of something. */
  report(finding: Finding): void;
  /** All questions put so far, in their order. */
  questions(): readonly Question[];
  /**
   * Replies to a question that is open or deferred; undefined where there is none by that id. Escalated, it is put to the mailbox
   * above, whose reply ends it here too; where nobody is above, it stays as it was.
   */
  reply(questionId: string, reply: Reply): Question | undefined;
  /** The most urgent open question or finding not taken yet, the oldest first among equals; undefined where none waits. */
  take(
    kinds: ReadonlySet<"question" | "finding">,
  ): (Question & { kind: "question" }) | (Finding & { kind: "finding" }) | undefined;
  /** Resolves when something waits to be taken, or `signal` aborts; it takes nothing and never rejects. */
  arrival(kinds: ReadonlySet<"question" | "finding">, signal: AbortSignal): Promise<void>;
}

const URGENCIES: readonly Urgency[] = ["blocks-run", "blocks-step", "whenever"];

type Item = (Question & { kind: "question" }) | (Finding & { kind: "finding" });
type Kinds = ReadonlySet<"question" | "finding">;

/** A mailbox, below that of the driver above where there is one. Ids of questions tell their level: `q0.1` is the root's first. */
export function createMailbox(parent?: Mailbox): Mailbox {
  let level = 0;
  for (let above = parent; above; above = above.parent) level += 1;
  const asked = new Map<string, { question: Question; onReply: ((question: Question) => void) | undefined }>();
  const waiting: ({ questionId: string } | { finding: Finding })[] = [];
  const wakes = new Set<() => void>();

  const put = (item: (typeof waiting)[number]): void => {
    waiting.push(item);
    for (const wake of [...wakes]) wake();
  };

  /** What waits, as it is now. A question that was replied to meanwhile waits no more. */
  const items = (kinds: Kinds): { item: Item; place: number }[] =>
    waiting.flatMap((entry, place): { item: Item; place: number }[] => {
      if ("finding" in entry)
        return kinds.has("finding") ? [{ item: { kind: "finding", ...entry.finding }, place }] : [];
      const question = asked.get(entry.questionId)?.question;
      if (!kinds.has("question") || question?.status !== "open") return [];
      return [{ item: { kind: "question", ...question }, place }];
    });

  const become = (questionId: string, change: Pick<Question, "status" | "answer">): Question | undefined => {
    const entry = asked.get(questionId);
    if (!entry) return undefined;
    entry.question = { ...entry.question, ...change };
    if (change.status !== "escalated") entry.onReply?.(entry.question);
    return entry.question;
  };

  return {
    parent,
    ask(by, onReply) {
      const { from, question, reason, urgency } = by;
      const questionId = `q${level}.${asked.size + 1}`;
      const opened: Question = { questionId, from, question, reason, urgency, status: "open" };
      asked.set(questionId, { question: opened, onReply });
      put({ questionId });
      return opened;
    },
    report(finding) {
      put({ finding });
    },
    questions: () => [...asked.values()].map(({ question }) => question),
    reply(questionId, reply) {
      const question = asked.get(questionId)?.question;
      if (question?.status !== "open" && question?.status !== "deferred") return undefined;
      if ("answer" in reply) return become(questionId, { status: "answered", answer: reply.answer });
      if ("defer" in reply) return become(questionId, { status: "deferred", answer: reply.defer });
      if (!parent) return question;
      const escalated = become(questionId, { status: "escalated" });
      parent.ask({ ...question, reason: reply.escalate || question.reason }, ({ status, answer }) => {
        become(questionId, { status, ...(answer !== undefined && { answer }) });
      });
      return escalated;
    },
    take(kinds) {
      const [first] = items(kinds).sort(
        (a, b) => URGENCIES.indexOf(a.item.urgency) - URGENCIES.indexOf(b.item.urgency) || a.place - b.place,
      );
      if (first) waiting.splice(first.place, 1);
      return first?.item;
    },
    arrival(kinds, signal) {
      return new Promise((resolve) => {
        const wake = (): void => {
          if (!signal.aborted && items(kinds).length === 0) return;
          wakes.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        wakes.add(wake);
        signal.addEventListener("abort", wake);
        wake();
      });
    },
  };
}
