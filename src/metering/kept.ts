/** What the ledger can keep of a call: names and ids it takes, digests instead of what was said. A call must be booked whatever it says. */
import { referenceOf } from "../ledger/artifacts.js";
import type { ToolCall, ToolResult } from "../ledger/protocol.js";
import { id } from "../ledger/schemas.js";
import { digestOfArguments } from "../ledger/tool-arguments.js";
import type { ToolMade, ToolOutcome } from "./metered-call.js";

/** As many tools as a row names at most. */
const MOST_TOOLS = 200;

/** A name that the ledger takes, else nothing. */
export function keptName(name: string | undefined): string | undefined {
  return id.safeParse(name).success && !/\p{Cs}/u.test(String(name)) ? name : undefined;
}

/** An id that the ledger takes, the digest of one that it does not (some ways to Gemini put a kilobyte into one), so that it stays one. */
function keptId(given: string): string {
  return keptName(given) ?? digestOf(given);
}

/**
 * Tools as the ledger keeps them: no argument's text. Ids are the provider's: one that gives the same ids in every conversation
 * (`functions.look:0`) has them taken for the same tool call within a pool.
 */
export function keptTools(tools: readonly ToolMade[]): ToolCall[] {
  return tools.slice(0, MOST_TOOLS).map((tool) => {
    const digest = digestOfArguments(tool.arguments);
    return {
      name: keptName(tool.name) ?? digestOf(tool.name),
      ...(tool.id !== undefined && tool.id !== "" && { id: keptId(tool.id) }),
      ...(digest !== undefined && { arguments: digest }),
      ...(tool.status !== undefined && { status: tool.status }),
    };
  });
}

/** How tools ended, by the ids that they are kept under. */
export function keptOutcomes(outcomes: readonly ToolOutcome[]): ToolResult[] {
  return outcomes
    .filter(({ id }) => id !== "")
    .slice(0, MOST_TOOLS)
    .map(({ id, status }) => ({ id: keptId(id), status }));
}

function digestOf(text: string): string {
  return referenceOf(Buffer.from(text));
}
