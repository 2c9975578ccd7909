/** When the breaker trips. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { tripped } from "../../src/supervise/run/breaker.js";

it.each([
  { downs: [], maxRestarts: 0, trips: false },
  { downs: [5], maxRestarts: 0, trips: true },
  { downs: [0, 100], maxRestarts: 1, trips: true, why: "exactly that old still counts" },
  { downs: [0, 101], maxRestarts: 1, trips: false, why: "a millisecond older does not" },
  { downs: [0, 50, 100], maxRestarts: 3, trips: false, why: "as many as allowed" },
  { downs: [0, 90, 95, 100, 300], maxRestarts: 3, trips: true, why: "it was so in between" },
  { downs: [0, 101, 202, 303], maxRestarts: 1, trips: false, why: "seldom enough" },
])("$downs, more than $maxRestarts in 100 ms: $trips", ({ downs, maxRestarts, trips }) => {
  expect(tripped(downs, { maxRestarts, withinMs: 100 })).toBe(trips);
});

it("is so exactly if at some down more than so many were young enough", () => {
  const instants = fc.array(fc.nat(60), { maxLength: 12 }).map((all) => all.sort((a, b) => a - b));
  fc.assert(
    fc.property(instants, fc.nat(4), fc.integer({ min: 1, max: 30 }), (downs, maxRestarts, withinMs) => {
      const counted = downs.map((now) => downs.filter((then) => then <= now && now - then <= withinMs).length);
      expect(tripped(downs, { maxRestarts, withinMs })).toBe(counted.some((count) => count > maxRestarts));
    }),
  );
});
