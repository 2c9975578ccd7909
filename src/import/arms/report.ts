/** What an import of results did, as plain JSON. */
import { sum } from "../../ledger/amounts.js";
import type { Kept } from "./kept.js";
import type { Line } from "./shapes.js";

/** One finding: the line from 1, the field where it is about one, the rule and what to do. */
export interface Problem {
  /** Undefined where it is about the whole file. */
  readonly line?: number;
  readonly field?: string;
  readonly problem: string;
}

/** The runs of an arm that lines of the file stand for, as the ledger has them: estimated, corrected and judged since. */
export interface ArmReport {
  readonly experiment: string;
  readonly arm: string;
  readonly runs: number;
  /** Input and output, exact text. */
  readonly tokens: string;
  readonly tokensKnown: boolean;
  /** Receipts and estimates, exact text. */
  readonly usd: string;
  /** False where a part is no receipt. */
  readonly usdKnown: boolean;
  /** The part of `usd` that was charged without a receipt. */
  readonly estimatedUsd: string;
  /** Events that nobody could price: nothing is charged for them. */
  readonly unknownUsdEvents: string;
  readonly resolved: number;
  readonly infra: number;
}

/** The whole import. Each line is in exactly one of `new`, `completed`, `existing`, `failed`. */
export interface ImportReport {
  readonly file: string;
  /** False where the file has problems: then nothing was written. */
  readonly valid: boolean;
  /** Lines that are not blank. */
  readonly lines: number;
  /** Runs booked by this import. */
  readonly new: number;
  /** Runs that were there, and to which this import added a judgement. */
  readonly completed: number;
  /** Runs that were there as they are in the file: nothing was booked. */
  readonly existing: number;
  readonly failed: number;
  readonly arms: readonly ArmReport[];
  readonly problems: readonly Problem[];
}

/** A line that was taken, and its run. */
export interface KeptLine {
  readonly line: Line;
  readonly kept: Kept;
}

/** Sums by experiment and arm, in the order in which the file names them. */
export function armsOf(lines: readonly KeptLine[]): ArmReport[] {
  const arms = new Map<string, KeptLine[]>();
  for (const one of lines) {
    const key = JSON.stringify([one.line.experiment, one.line.arm]);
    const of = arms.get(key);
    if (of) of.push(one);
    else arms.set(key, [one]);
  }
  return [...arms.values()].map(armOf);
}

function armOf(lines: readonly KeptLine[]): ArmReport {
  const runs = lines.map(({ kept }) => kept);
  const line = lines[0]?.line;
  return {
    experiment: line?.experiment ?? "",
    arm: line?.arm ?? "",
    runs: runs.length,
    tokens: sum(runs.flatMap(({ inputTokens, outputTokens }) => [inputTokens, outputTokens])),
    tokensKnown: runs.every(({ tokensKnown }) => tokensKnown),
    usd: sum(runs.map(({ usd }) => usd)),
    usdKnown: runs.every(({ usdKnown }) => usdKnown),
    estimatedUsd: sum(runs.map(({ estimatedUsd }) => estimatedUsd)),
    unknownUsdEvents: sum(runs.map(({ unknownUsdEvents }) => unknownUsdEvents)),
    resolved: runs.filter(({ resolved, infra }) => resolved === true && !infra).length,
    infra: runs.filter(({ infra }) => infra).length,
  };
}
