/**
 * What a provider says a call used, in its own words, and what that is in the ledger's. One rule for all formats: input is the whole prompt,
 * its cached part included; each token is counted once; a part that exceeds its whole is left out and the whole stays; what is not
 * said is unknown, and 0 that is said is 0.
 */
import type { Spend } from "../ledger/protocol.js";

/** Formats of usage that are understood. */
export const USAGE_FORMATS = [
  "openai-chat",
  "openai-responses",
  "anthropic",
  "gemini",
  "openrouter",
  "bedrock",
] as const;

/** The form in which a provider states usage. `openrouter` is that of OpenAI chat with a cost beside it. */
export type UsageFormat = (typeof USAGE_FORMATS)[number];

/** A tool that the model asked for in a call: its name, the id of the asking, and its arguments as the model gave them. */
export interface ToolAsked {
  readonly name: string;
  readonly id?: string | undefined;
  /** Parsed where it is JSON, else the text. Left out = not told. It never reaches the ledger: its digest does. */
  readonly arguments?: unknown;
}

/** What is known of one call, from its answer or from as much of a stream as came. */
export interface CallReport {
  /** Without iterations and ms. Tokens or dollars that are left out are unknown; `tokens_known: false` marks a lower bound. */
  readonly spend: Spend;
  readonly model?: string | undefined;
  readonly providerRequestId?: string | undefined;
  readonly tools: readonly ToolAsked[];
  /** Whether the answer is whole. What a broken-off stream said of its usage is a lower bound, unless it is final by its format. */
  readonly complete: boolean;
}
