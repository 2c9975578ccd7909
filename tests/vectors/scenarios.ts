/**
 * The scenarios, read from their files.
 */
import { readFileSync } from "node:fs";
import type { Scenario } from "./steps.js";

const FILES = ["pool", "trees", "seals-and-leases", "equal-k", "gates"] as const;

type FileName = (typeof FILES)[number];

/** All scenarios of one file of this folder. */
export function readScenarios(name: FileName): Scenario[] {
  return JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8")) as Scenario[];
}

/** All scenarios: of balances, trees, time and experiments. */
export function ledgerScenarios(): Scenario[] {
  return FILES.flatMap(readScenarios);
}
