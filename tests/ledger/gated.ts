/** A wire that lets calls through when a test says so. */
import { setImmediate as turn } from "node:timers/promises";
import { afterEach } from "vitest";
import type { Answer, Operation } from "../../src/ledger/protocol.js";

/** A debit of a pool. */
export const meter = (pool: string, id: string): Operation => ({ op: "meter", operation_id: id, pool_id: pool });

/** Answers that name what they answer. */
export const answersTo = (operations: readonly Operation[]): Answer[] =>
  operations.map(({ operation_id }, position) => ({
    position,
    status: "ok",
    code: null,
    result: { node_id: operation_id },
  }));

const opened: (() => void)[] = [];

// Nobody is left waiting, or would be told so in the middle of another test.
afterEach(async () => {
  for (const open of opened.splice(0)) open();
  await turn();
});

/** A wire on which every call waits until it is let through. */
export function gated() {
  let isOpen = false;
  const calls: { operations: readonly Operation[]; atomic: boolean; let: (error?: unknown) => void }[] = [];
  const send = (operations: readonly Operation[], atomic: boolean): Promise<Answer[]> =>
    new Promise((resolve, reject) => {
      const pass = (error?: unknown): void => (error === undefined ? resolve(answersTo(operations)) : reject(error));
      calls.push({ operations, atomic, let: pass });
      if (isOpen) pass();
    });
  opened.push(() => {
    isOpen = true;
    for (const call of calls) call.let();
  });
  const sent = (): string[][] => calls.map(({ operations }) => operations.map(({ operation_id }) => operation_id));
  return { calls, send, sent };
}
