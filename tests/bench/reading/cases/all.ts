/** Every case, in the order of the table. A new one is a module beside this and a line here. */
import type { Case, Sizes } from "../case.js";
import { auditor } from "./auditor.js";
import { chains } from "./chain.js";
import { gate } from "./gate.js";
import { oneOfMany } from "./one-of-many.js";
import { trajectory } from "./trajectory.js";

/** The cases at these sizes. */
export function casesOf(sizes: Sizes): readonly Case[] {
  return [trajectory, ...oneOfMany(sizes), gate(sizes), ...chains(sizes), ...auditor];
}
