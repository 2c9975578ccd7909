/** Breaches of plans. The fixture has one. */
import { type Breach, copyOf, foreignKey, unique } from "./breach.js";

export const PLAN_BREACHES: readonly Breach[] = [
  unique("plans_pkey", "a second plan of an experiment", copyOf("plans", "true", {})),
  foreignKey("plans_event_fkey", "a plan in no journal", copyOf("plans", "true", { experiment: "f", seq: 900 })),
  foreignKey(
    "plans_blob_fkey",
    "a plan whose bytes nobody kept",
    copyOf("plans", "true", { experiment: "f", plan_ref: "sha256:00" }),
  ),
];
