/**
 * Whatever the history, the reference model keeps its own invariants.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { auditOf } from "../model/audit.js";
import { histories } from "./commands.js";
import { play } from "./play.js";

it("leaves nothing to report after any call of any history", async () => {
  await fc.assert(
    fc.asyncProperty(histories(120), async (history) => {
      await play(history, async (_call, model) => {
        expect(auditOf(model.state)).toEqual([]);
      });
    }),
    { numRuns: 60 },
  );
}, 60_000);
