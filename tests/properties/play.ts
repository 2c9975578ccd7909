/**
 * Plays a history call by call against the model, and lets a witness play the same calls elsewhere.
 */
import { ModelLedger, type Verdict } from "../model/ledger.js";
import type { Operation } from "../vectors/steps.js";
import type { Command, History } from "./commands.js";
import { endsWithCall, resolve } from "./operations.js";

/** One call, as the model answered it. */
export interface Call {
  readonly operations: readonly Operation[];
  readonly atomic: boolean;
  /** One verdict an operation, or the SQLSTATE that the whole call raises. */
  readonly outcome: readonly Verdict[] | string;
  /** Whether a lease or deadline made in this call has passed before the next one. */
  readonly waitsAfter: boolean;
}

/** Told of every call, with the model as it stands afterwards, at the instant of that call. */
export type Witness = (call: Call, model: ModelLedger, at: number) => Promise<void>;

/** How far the model's clock moves between calls; more than a short lease, far less than a long one. */
const STEP_MS = 10;

const NOBODY_REFUSED = new Set(["ok", "replayed"]);

/** Plays the history; answers with the model it led to and the instant after the last call. */
export async function play(history: History, witness: Witness): Promise<ModelLedger> {
  const model = new ModelLedger(history.priced);
  const sent: Operation[] = [];
  const opening: Command = { rough: history.first, spoiled: null, last: true };
  const waiting = [opening, ...history.commands];
  let number = 0;
  let at = Date.now();
  for (let calls = 1; number < waiting.length; calls += 1) {
    const atomic = calls % history.atomicEvery === 0;
    const before = structuredClone(model.state);
    const operations: Operation[] = [];
    const verdicts: Verdict[] = [];
    let ended = false;
    while (!ended && number < waiting.length) {
      const command = waiting[number] ?? opening;
      const operation = resolve(command, { state: model.state, number, sent });
      number += 1;
      sent.push(operation);
      operations.push(operation);
      const verdict = model.apply(operation, at);
      verdicts.push(verdict);
      // An atomic call is over with the first operation that is turned down.
      ended = command.last || (atomic && isTurnedDown(verdict));
    }
    const raised = atomic && verdicts.some(isTurnedDown);
    if (raised) model.state = before;
    const outcome = raised ? "LG008" : verdicts;
    await witness({ operations, atomic, outcome, waitsAfter: operations.some(endsWithCall) }, model, at);
    at += STEP_MS;
  }
  return model;
}

function isTurnedDown({ status, code }: Verdict): boolean {
  return !NOBODY_REFUSED.has(status) || (status === "replayed" && code !== null);
}
