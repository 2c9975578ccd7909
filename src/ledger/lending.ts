/**
 * A connection lent to the application for one transaction. What it asks for after the transaction has ended is refused: the
 * connection is somebody else's by then, and a late statement would land in their transaction.
 */
import type pg from "pg";
import { LedgerError } from "./errors.js";

/** The connection as the application gets it, and what the lender keeps. */
export interface Loan {
  readonly client: pg.PoolClient;
  /** Whether that error came from a statement on this connection, rather than from the application's own code. */
  causedBy(error: unknown): boolean;
  /** Ends the loan. */
  recall(): void;
}

/** Statements that would end the lender's transaction, or begin another. Savepoints are the application's. */
const ENDS = /^\s*(?:commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|begin|start\s+transaction)\b/i;

/** Lends a connection that is in a transaction. */
export function lend(client: pg.PoolClient): Loan {
  const errors = new WeakSet<object>();
  let lent = true;
  const refuse = (rule: string): Promise<never> =>
    Promise.reject(new LedgerError("LG001", rule, { detail: { path: "client", rule } }));
  const note = (error: unknown): void => {
    if (typeof error === "object" && error !== null) errors.add(error);
  };
  const query = (asked: unknown, ...rest: unknown[]): unknown => {
    if (!lent) return refuse("the transaction has ended: wait for every statement before the work returns");
    const text = typeof asked === "string" ? asked : (asked as { text?: unknown } | null)?.text;
    if (typeof text === "string" && ENDS.test(text)) {
      return refuse("withTransaction begins and ends the transaction: throw to undo it");
    }
    const answer = (client.query as (...all: unknown[]) => unknown).call(client, asked, ...rest);
    if (answer instanceof Promise) answer.catch(note);
    return answer;
  };
  const proxy = new Proxy(client, {
    get(target, name) {
      if (name === "query") return query;
      if (name === "release") return () => {};
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return {
    client: proxy,
    causedBy: (error) => typeof error === "object" && error !== null && errors.has(error),
    recall() {
      lent = false;
    },
  };
}
