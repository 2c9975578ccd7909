/** Which child's result is the driver's: the best that is done and valid. */
import { bestChild } from "../scope/best-child.js";
import type { Scope } from "../scope.js";

/** The artifact of the best child that left one; undefined where there is no such child. */
export async function keepBest(scope: Scope): Promise<unknown> {
  const best = bestChild(await scope.children());
  return best && (await scope.output(best));
}
