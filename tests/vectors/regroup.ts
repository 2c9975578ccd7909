/**
 * The same scenario, cut into other calls: what an operation answers must not depend on who shares its call.
 */
import { chance } from "../setup/chance.js";
import type { Expected, Scenario, Step } from "./steps.js";

/** Merges neighbouring operations into batches, at boundaries drawn from `seed`. */
export function regroup(scenario: Scenario, seed: number): Scenario {
  const random = chance(seed);
  const steps: Step[] = [];
  let open: Expected[] = [];
  const flush = () => {
    if (open.length > 0) steps.push({ batch: open });
    open = [];
  };
  for (const step of scenario.steps) {
    if ("apply" in step) {
      open.push(step);
      if (random() < 0.3) flush();
    } else {
      flush();
      steps.push(step);
    }
  }
  flush();
  return { ...scenario, steps };
}
