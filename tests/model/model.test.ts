/**
 * The vectors hold in the reference model, so that the model may be trusted where there are no vectors.
 */
import { describe, expect, it } from "vitest";
import { regroup } from "../vectors/regroup.js";
import { ledgerScenarios } from "../vectors/scenarios.js";
import { runScenario } from "../vectors/steps.js";
import { ModelEngine } from "./model-engine.js";

const SEEDS = [1, 2, 3];

describe.each(ledgerScenarios())("$id $title", (scenario) => {
  it("holds one operation a call", async () => {
    const engine = new ModelEngine();
    await runScenario(scenario, engine);
    expect(await engine.audit()).toEqual([]);
  });

  it.each(SEEDS)("holds in batches cut with seed %i", async (seed) => {
    const engine = new ModelEngine();
    await runScenario(regroup(scenario, seed), engine);
    expect(await engine.audit()).toEqual([]);
  });
});
