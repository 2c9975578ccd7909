/** The tools that an answer asks for, as they are reported. */
import { label } from "./rule.js";
import { type BegunCall, ToolPieces } from "./tool-pieces.js";
import type { ToolAsked } from "./usage.js";

/** What is kept of the tools of one answer: arguments beyond that are not told, calls beyond that are left out. */
const BOUNDS = { characters: 1_000_000, calls: 1_000 };

/** Pieces of the tools of one answer. */
export function toolsOf(): ToolPieces {
  return new ToolPieces(BOUNDS);
}

/** In the order in which they were asked for. One that ended without a name that the ledger takes is `unnamed`. */
export function toolsAsked(calls: readonly BegunCall[]): ToolAsked[] {
  const told = calls.filter(({ name, ended }) => name !== "" || ended);
  return told.map((call) => {
    const id = label.parse(call.id);
    const args = argumentsOf(call);
    return {
      name: label.parse(call.name) ?? "unnamed",
      ...(id !== undefined && { id }),
      ...(args !== undefined && { arguments: args }),
    };
  });
}

/** Parsed where they are JSON; no text is no arguments. Of a call that is not whole they are not told: a part of them is something else. */
function argumentsOf({ text, whole, ended, cut }: BegunCall): unknown {
  if (!ended || cut) return undefined;
  if (text === "") return whole ?? {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
