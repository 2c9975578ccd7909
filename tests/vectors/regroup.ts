/**
 * The same scenario, cut into other calls: what an operation answers must not depend on who shares its call.
 */
import type { Expected, Scenario, Step } from "./steps.js";

/** Merges neighbouring operations into batches, at boundaries drawn from `seed`. */
export function regroup(scenario: Scenario, seed: number): Scenario {
  const random = generator(seed);
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

/** mulberry32: small, seeded, good enough to choose boundaries. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
