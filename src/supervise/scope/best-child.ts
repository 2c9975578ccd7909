/** Which child of a driver is the best: its result is kept, and its score is the driver's. */
import type { Child } from "../scope.js";

/** Of the children that are done and valid the one with the highest score: a missing one is 0; of equals the one that settled first. */
export function bestOf(children: readonly Child[]): Child | undefined {
  const score = ({ verdict }: Child): number => verdict?.score ?? 0;
  return children
    .filter(({ status, verdict }) => status === "done" && verdict?.valid === true)
    .sort((a, b) => score(b) - score(a) || (a.terminalSeq ?? 0) - (b.terminalSeq ?? 0))[0];
}

/** The best of those that left an artifact: one without is no result, however good it says it is. */
export function bestChild(children: readonly Child[]): Child | undefined {
  return bestOf(children.filter(({ outRef }) => outRef !== null));
}
