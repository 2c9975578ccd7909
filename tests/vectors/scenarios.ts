/**
 * The scenarios, read from their files.
 */
import { readFileSync } from "node:fs";
import type { Scenario } from "./steps.js";

type FileName = "pool" | "trees" | "seals-and-leases" | "equal-k";

/** All scenarios of one file of this folder. */
export function readScenarios(name: FileName): Scenario[] {
  return JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8")) as Scenario[];
}

/** The scenarios that speak of balances, trees and time; those of experiments need `ledger.equal_k`. */
export function ledgerScenarios(): Scenario[] {
  return [...readScenarios("pool"), ...readScenarios("trees"), ...readScenarios("seals-and-leases")];
}
