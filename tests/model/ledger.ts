/**
 * The reference ledger: what `ledger.apply` means, small enough to read.
 *
 * It knows nothing of SQL, locks or batches. The database must agree with it, operation by operation.
 */
import type { Answer, Operation } from "../vectors/steps.js";
import { correct } from "./corrections.js";
import { expire } from "./expiry.js";
import { Fault, Refused } from "./faults.js";
import { dispatch, extend, judge } from "./holds.js";
import { linesOf } from "./lines.js";
import { deliver, freeze, fund, meter, thaw } from "./pools.js";
import { type Called, priced } from "./prices.js";
import { cancel, closePool, settle } from "./settling.js";
import { checkOperation } from "./shapes.js";
import { openPool, spawn } from "./spawning.js";
import { type Context, emptyState, type KeptOperation, type State } from "./state.js";
import { canonical, identifier, type Json, record } from "./values.js";

type Handler = (context: Context, operation: Json) => Record<string, unknown>;

const HANDLERS: Readonly<Record<string, Handler>> = {
  open_pool: openPool,
  fund,
  spawn,
  dispatch,
  extend,
  settle,
  cancel,
  meter,
  deliver,
  correct,
  expire,
  freeze,
  thaw,
  close_pool: closePool,
  judge,
};

/** An answer without its place in the batch. */
export type Verdict = Omit<Answer, "position">;

export class ModelLedger {
  state: State = emptyState();

  /** `usesPrices`: calls without a receipt are priced from the book of random histories. */
  constructor(private readonly usesPrices = false) {}

  /** Applies one operation at an instant of the ledger's clock, in milliseconds. */
  apply(operation: Operation, at: number): Verdict {
    try {
      return this.answer(operation, at);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { status: "error", code: error.code, result: null };
    }
  }

  /** Applies a batch; an atomic one goes through as a whole or raises LG008 and leaves no trace. */
  applyAll(operations: readonly Operation[], at: number, atomic = false): Verdict[] {
    const before = atomic ? structuredClone(this.state) : this.state;
    const verdicts: Verdict[] = [];
    for (const operation of operations) {
      const verdict = this.apply(operation, at);
      if (atomic && isRejection(verdict)) {
        this.state = before;
        throw new Fault("LG008");
      }
      verdicts.push(verdict);
    }
    return verdicts;
  }

  private answer(given: Operation, at: number): Verdict {
    const { operation_id, ...content } = record(given);
    const operationId = identifier(operation_id);
    const text = canonical(content);
    const kept = this.state.operations.get(operationId);
    if (kept !== undefined) return replay(kept, text);
    checkOperation(given, at);
    const context: Context = { state: this.state, operationId, at, events: [] };
    const before = this.state.events.length;
    const operation = this.usesPrices ? priced(given, this.calledBy(given.of)) : given;
    const verdict = this.perform(context, operation);
    const { code, result } = verdict;
    const event = this.state.events[context.events[0] ?? -1];
    if (operation.lines !== undefined && event !== undefined) event.lines = linesOf(operation.lines);
    if (event !== undefined && event.id >= before) event.called = { provider: given.provider, model: given.model };
    this.state.operations.set(operationId, {
      content: text,
      code,
      result: result ?? {},
      events: given.op === "correct" ? [] : context.events,
    });
    return verdict;
  }

  /** Who was called by the operation that a correction is of. */
  private calledBy(of: unknown): Called {
    const events = this.state.operations.get(String(of))?.events ?? [];
    return this.state.events[events[0] ?? -1]?.called ?? {};
  }

  private perform(context: Context, operation: Json): Verdict {
    const handler = HANDLERS[String(operation.op)];
    if (handler === undefined) throw new Fault("LG001");
    try {
      return { status: "ok", code: null, result: handler(context, operation) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code, poolId, shortfall } = error;
      this.state.refusals.push({ poolId, operationId: context.operationId, code });
      const result = { pool_id: poolId, seq: null, ...(shortfall === undefined ? {} : { shortfall }) };
      return { status: "refused", code, result };
    }
  }
}

/** The same content gets the first answer again; other content under that id is an error. */
function replay(kept: KeptOperation, content: string): Verdict {
  if (kept.content !== content) throw new Fault("LG005");
  return { status: "replayed", code: kept.code, result: kept.result };
}

function isRejection({ status, code }: Verdict): boolean {
  return status === "refused" || status === "error" || (status === "replayed" && code !== null);
}
